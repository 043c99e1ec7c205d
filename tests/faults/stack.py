"""The compose stack of the fault tests: started once a session, and struck from outside as an operator's bad day would.

It has its own project, ports and secrets, which are made anew for each session, so that a secret that is found in a log
is one that was leaked there.
"""

import json
import os
import secrets
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import psycopg
import pytest
from botocore.config import Config
from psycopg.rows import dict_row

from clients import ValidatingClient
from containers import ROOT, images
from deadlines import until
from users import create_user

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PROJECT = "imghost-faults"
HOME = ROOT / ".imghost" / "faults"
BUCKET = "imghost"
S3_ACCESS_KEY_ID = "tests"
PORTS = {
    "PORT": 28080,
    "S3_PORT": 25000,
    "S3_PROXY_PORT": 25001,
    "POSTGRES_PORT": 25432,
    "AMQP_PORT": 25672,
}
SECRETS = (
    "POSTGRES_PASSWORD",
    "AUTH_DATABASE_PASSWORD",
    "CATALOG_DATABASE_PASSWORD",
    "RABBITMQ_PASSWORD",
    "S3_SECRET_ACCESS_KEY",
    "CATALOG_S3_SECRET_ACCESS_KEY",
    "CATALOG_RECONCILE_S3_SECRET_ACCESS_KEY",
    "IMAGING_S3_SECRET_ACCESS_KEY",
    "AUTH_FIRST_PASSWORD",
)
HOOKED = ("auth", "auth-worker", "catalog", "catalog-worker", "imaging")
READY_S = 60.0
USERS = 3


@dataclass(frozen=True)
class Started:
    """A start of a container; another one of the same container means that it was restarted."""

    service: str
    container: str
    started_at: str
    restarts: int


@dataclass
class Stack:
    """The running stack, named by its services, with users; it is SOUND until a fault test has failed."""

    environment: dict[str, str] = field(default_factory=lambda: {name: secrets.token_urlsafe(16) for name in SECRETS})
    users: list[ValidatingClient] = field(default_factory=list)
    sound: bool = False

    # --- its life ---

    def up(self) -> None:
        """Build and start everything anew; what was there before goes first."""
        self.down()
        shutil.rmtree(HOME / "armed", ignore_errors=True)
        for service in HOOKED:
            armed = HOME / "armed" / service
            armed.mkdir(parents=True)
            armed.chmod(0o777)  # the containers' user takes its files away
        self.compose("up", "--build", "--wait", "--quiet-pull")
        self.users = [create_user(self.settings()) for _ in range(USERS)]
        # One of them shows an API key in place of a password.
        self.users[-1].auth = self.users[-1].post("/api/api-keys", json={"description": "load"}).json()["key"]
        self.sound = True

    def down(self) -> None:
        """Remove the containers and their data."""
        for user in self.users:
            user.close()
        self.compose("down", "--volumes", "--remove-orphans")

    def compose(self, *words: str) -> str:
        """Run docker compose on the project; give what it printed, or fail with its last lines."""
        files = ("--file", "docker-compose.yml", "--file", "tests/faults/compose.yml", "--env-file", os.devnull)
        ports = {name: str(port) for name, port in PORTS.items()}
        return run(
            *("docker", "compose", "--project-name", PROJECT, *files, *words),
            environment={
                **os.environ,
                **images(),
                **ports,
                "S3_ACCESS_KEY_ID": S3_ACCESS_KEY_ID,
                "S3_BUCKET": BUCKET,
                **self.environment,
            },
        )

    # --- ways in ---

    def settings(self) -> Mapping[str, str]:
        """Give the settings of a client, as `users` and `clients` want them."""
        return {"GATEWAY_URL": gateway_url(), "AUTH_COMMAND": f"docker exec -i {container('auth')} auth"}

    def new_user(self) -> ValidatingClient:
        """Make a user; their client."""
        return create_user(self.settings())

    def s3(self) -> "S3Client":
        """Make a client of the S3 itself, past the proxy."""
        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{PORTS['S3_PORT']}",
            region_name="us-east-1",
            aws_access_key_id=S3_ACCESS_KEY_ID,
            aws_secret_access_key=self.environment["S3_SECRET_ACCESS_KEY"],
            config=Config(s3={"addressing_style": "path"}, max_pool_connections=20),
        )

    def query(self, database: str, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        """Ask a database of the stack as its superuser; raises psycopg.Error while it does not answer."""
        with psycopg.connect(
            host="127.0.0.1",
            port=PORTS["POSTGRES_PORT"],
            user="postgres",
            password=self.environment["POSTGRES_PASSWORD"],
            dbname=database,
            connect_timeout=5,
            autocommit=True,
            row_factory=dict_row,
        ) as connection:
            return connection.execute(statement, parameters or None).fetchall()

    def amqp_url(self) -> str:
        """Give the URL of the broker as seen from here."""
        return f"amqp://imghost:{self.environment['RABBITMQ_PASSWORD']}@127.0.0.1:{PORTS['AMQP_PORT']}/%2F"

    # --- faults ---

    def kill(self, service: str) -> None:
        """End all processes of a service by SIGKILL."""
        run("docker", "kill", container(service))

    def start(self, service: str) -> None:
        """Start a service that was killed or stopped."""
        run("docker", "start", container(service))

    def restart(self, service: str) -> None:
        """End a service and start it, as an operator does."""
        self.compose("restart", service)

    def wait_until_healthy(self, service: str) -> None:
        """Wait until a service says that it is ready."""

        def is_healthy() -> bool:
            return run("docker", "inspect", "--format", "{{.State.Health.Status}}", container(service)) == "healthy\n"

        until(is_healthy, READY_S, f"{service} is not ready")

    def end(self, service: str) -> int:
        """Send SIGTERM to a service and wait for its end, which SIGKILL brings after its grace; give its status."""
        run("docker", "stop", "--time", "25", container(service))
        return int(run("docker", "inspect", "--format", "{{.State.ExitCode}}", container(service)))

    @contextmanager
    def replicas(self, service: str, count: int) -> Iterator[None]:
        """Have COUNT containers of a service meanwhile."""
        scale = ("up", "--detach", "--no-deps", "--no-recreate", "--wait", "--scale")
        self.compose(*scale, f"{service}={count}", service)
        try:
            yield
        finally:
            self.compose(*scale, f"{service}=1", service)

    @contextmanager
    def paused(self, service: str) -> Iterator[None]:
        """Freeze all processes of a service meanwhile."""
        run("docker", "pause", container(service))
        try:
            yield
        finally:
            run("docker", "unpause", container(service))

    @contextmanager
    def cut_off(self, network: str, *services: str) -> Iterator[None]:
        """Take services off a network meanwhile; they come back under the same name, perhaps at another address."""
        for service in services:
            run("docker", "network", "disconnect", f"{PROJECT}_{network}", container(service))
        try:
            yield
        finally:
            for service in services:
                run(
                    *("docker", "network", "connect", "--alias", service),
                    *(f"{PROJECT}_{network}", container(service)),
                )

    def execute(self, service: str, *command: str) -> str:
        """Run a command in a container; give what it printed."""
        return run("docker", "exec", container(service), *command)

    @contextmanager
    def armed(self, service: str, checkpoint: str, action: str, subject: str = "") -> Iterator[Path]:
        """Have ACTION (die, die-always) happen at a checkpoint; the file is gone once a `die` has happened."""
        file = HOME / "armed" / service / f"{checkpoint}.{action}"
        unseen = file.with_name(f".{file.name}")
        unseen.write_text(subject)
        unseen.rename(file)
        try:
            yield file
        finally:
            file.unlink(missing_ok=True)

    @contextmanager
    def s3_behaving(self, kind: str, **fields: Any) -> Iterator[None]:
        """Have the S3 proxy misbehave meanwhile, see s3_proxy.Behaviour; fail if nothing was befallen by it."""
        steer({"kind": kind, **fields})
        try:
            yield
            assert steer()["struck"] > 0, "no request met the misbehaving S3"
        finally:
            steer({"kind": "pass"})

    # --- looking at it ---

    def starts(self) -> set[Started]:
        """Give the last start of every container."""
        names = run("docker", "ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={PROJECT}")
        found = json.loads(run("docker", "inspect", *names.split()))
        return {
            Started(
                each["Config"]["Labels"]["com.docker.compose.service"],
                each["Name"],
                each["State"]["StartedAt"],
                each["RestartCount"],
            )
            for each in found
        }

    def logs(self, since: str) -> Mapping[str, str]:
        """Give what every container has said since a moment, by its name."""
        names = run("docker", "ps", "--all", "--filter", f"name=^{PROJECT}-", "--format", "{{.Names}}").split()
        return {name: run("docker", "logs", "--since", since, name) for name in names}

    def wait_until_serving(self) -> None:
        """Wait until a request passes gateway, auth, catalog and the database."""
        client = ValidatingClient(gateway_url(), ("demo", self.environment["AUTH_FIRST_PASSWORD"]), timeout_s=5)

        def answers() -> bool:
            try:
                return client.get("/api/images?limit=1").status == HTTPStatus.OK
            except OSError:
                return False

        until(answers, READY_S, "the stack does not serve")
        client.close()


def gateway_url() -> str:
    """Give the address of the gateway."""
    return f"http://127.0.0.1:{PORTS['PORT']}"


def address(service: str) -> str:
    """Give the address of a service's container itself, past the engine's proxy."""
    networks = json.loads(
        run("docker", "inspect", "--format", "{{json .NetworkSettings.Networks}}", container(service))
    )
    return f"http://{networks[f'{PROJECT}_published']['IPAddress']}:8000"


def container(service: str) -> str:
    """Name the container of a service."""
    return f"{PROJECT}-{service}-1"


def steer(behaviour: Mapping[str, Any] | None = None) -> dict[str, int]:
    """Tell the S3 proxy how to behave, or only ask how many requests its behaviour has befallen."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{PORTS['S3_PROXY_PORT']}/",
        data=None if behaviour is None else json.dumps(behaviour).encode(),
        method="GET" if behaviour is None else "PUT",
    )
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - the address is ours
        told: dict[str, int] = json.loads(answer.read())
        return told


def run(*command: str, environment: Mapping[str, str] | None = None) -> str:
    """Run a command; give all that it printed, or fail with its last lines."""
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        pytest.fail(f"{' '.join(command)} ended with {done.returncode}:\n{last_lines(done.stdout)}", pytrace=False)
    return done.stdout


def last_lines(text: str, count: int = 30) -> str:
    """Give the end of a long text."""
    lines: Sequence[str] = text.splitlines()
    return "\n".join(lines[-count:])
