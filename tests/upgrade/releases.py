"""Two releases of imghost on the compose stack: the one before as a checkout beside this one, and how one follows."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from containers import NO_LIMITS, ROOT, images
from deadlines import until
from faults.stack import BUCKET, PORTS, PROJECT, READY_S, S3_ACCESS_KEY_ID, USERS, Stack, address, container, end, run
from upgrade.load import Unchecked
from users import create_user

ORDER = (("auth", "auth-worker"), ("catalog", "catalog-worker"), ("imaging",), ("gateway",))
"""The order of docs/operations.md."""
DOUBLED = {"auth", "catalog", "gateway"}
STUCK_AFTER_S = 30
"""Instead of 300: what waits in queues that the release before does not know is sent anew so soon after a rollback."""
WAIT = re.compile(r"LOG: .* acquired \w+ on .* after ([0-9.]+) ms")


@dataclass(frozen=True)
class Release:
    """A tag or commit, and the folder with its files."""

    name: str
    folder: Path


def previous(commit: str) -> Release:
    """Lay the files of a tag or commit beside this tree, and return the release."""
    name = git("rev-parse", "--short=12", f"{commit}^{{commit}}")
    folder = ROOT / ".imghost" / "upgrade" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", name], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
    return Release(name, folder)


def newest_tag() -> str:
    """Return the newest tag of a release, empty if there is none."""
    tags = git("tag", "--list", "v*", "--sort=-version:refname").split()
    return tags[0] if tags else ""


def git(*words: str) -> str:
    """Return what git prints."""
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


@dataclass
class Releases(Stack):
    """The stack, of which `release` is the one that compose starts containers of."""

    release: Release = field(default_factory=lambda: Release("this", ROOT))

    def compose(self, *words: str) -> str:
        """Run docker compose in the folder of the release; return its output, or fail with its last lines."""
        folder = self.release.folder
        files = ("--file", str(folder / "docker-compose.yml"), "--file", "tests/upgrade/compose.yml")
        ports = {name: str(PORTS[name]) for name in ("S3_PORT", "POSTGRES_PORT", "AMQP_PORT")}
        return run(
            *("docker", "compose", "--project-name", PROJECT, "--project-directory", str(folder), *files, *words),
            environment={
                **os.environ,
                **images(),
                **NO_LIMITS,
                **ports,
                "RELEASE": self.release.name,
                "CATALOG_STUCK_AFTER_S": str(STUCK_AFTER_S),
                "S3_ACCESS_KEY_ID": S3_ACCESS_KEY_ID,
                "S3_BUCKET": BUCKET,
                **self.environment,
            },
        )

    def up(self) -> None:
        """Build and start the present release, with its users."""
        self.down()
        self.compose("up", "--build", "--wait", "--quiet-pull")
        (first, *_) = self.gateways()
        settings = {"GATEWAY_URL": first, "AUTH_COMMAND": f"docker exec -i {container('auth')} auth"}
        users = [create_user(settings) for _ in range(USERS)]
        self.users = [Unchecked(first, user.auth) for user in users]
        self.users[-1].auth = self.users[-1].post("/api/api-keys", json={"description": "load"}).json()["key"]

    def containers(self, service: str) -> list[str]:
        """Return the running containers of a service."""
        labels = (f"project={PROJECT}", f"service={service}", "oneoff=False")
        filters = [word for label in labels for word in ("--filter", f"label=com.docker.compose.{label}")]
        return run("docker", "ps", *filters, "--format", "{{.Names}}").split()

    def gateways(self) -> list[str]:
        """Return the addresses of the gateways."""
        return [address(name) for name in self.containers("gateway")]

    def migrate(self) -> None:
        """Migrate both databases by the present release."""
        for service in ("auth", "catalog"):
            self.compose("run", "--rm", "--no-deps", f"{service}-migrate")

    def replace(self, service: str, between: Callable[[Sequence[str]], None]) -> None:
        """Start containers of the present release beside those there are, call `between` with them, and end the others.

        The orderly end is part of it: a container that had to be killed is a failure.
        """
        former = self.containers(service)
        count = 2 * len(former)
        self.compose("up", "--detach", "--no-deps", "--no-recreate", "--scale", f"{service}={count}", service)
        latter = sorted(set(self.containers(service)) - set(former))
        for name in latter:
            self._wait_until_healthy(name)
        between(latter)
        for name in former:
            assert end(name) == 0, f"{name} was killed, or has failed"
            run("docker", "rm", name)
            between(latter)

    def lock_waits_ms(self) -> list[float]:
        """Return the waits for locks that PostgreSQL tells of so far, those that were longer than 10 ms."""
        return [float(wait) for wait in WAIT.findall(run("docker", "logs", container("postgres")))]

    def wait_until_done(self) -> None:
        """Wait until no image is pending, no job is under way and no event is due."""
        left = """SELECT (SELECT count(*) FROM images WHERE status = 'pending') + (SELECT count(*) FROM jobs)
                         + (SELECT count(*) FROM outbox WHERE state = 'due') AS left"""
        until(lambda: self.query("catalog", left)[0]["left"] == 0, STUCK_AFTER_S + 2 * READY_S, "there is work left")
