"""The compose stack of the fault tests, started once per session, and the ways in which tests break it from outside.

It has a project and ports of its own, and new secrets in each session: one that is found in a log has leaked.
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
from typing import TYPE_CHECKING, Any, ClassVar

import boto3
import psycopg
import pytest
from botocore.config import Config
from psycopg.rows import dict_row

from clients import ValidatingClient
from containers import NO_LIMITS, ROOT, images, pause
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
FILES = ("docker-compose.yml", "tests/faults/compose.yml")
HOOKED = ("auth", "auth-worker", "catalog", "catalog-worker", "imaging")
READY_S = 60.0
USERS = 3


@dataclass(frozen=True)
class Started:
    """A start of a container; a container with two starts was restarted."""

    service: str
    container: str
    started_at: str
    restarts: int


@dataclass
class Stack:
    """The running stack with its users; `sound` until a fault test has failed on it."""

    files: ClassVar[Sequence[str]] = FILES
    published: ClassVar[Mapping[str, int]] = PORTS
    environment: dict[str, str] = field(default_factory=lambda: {name: secrets.token_urlsafe(16) for name in SECRETS})
    users: list[ValidatingClient] = field(default_factory=list)
    sound: bool = False

    # --- up and down ---

    def up(self) -> None:
        """Remove what was there before, then build and start everything."""
        self.down()
        shutil.rmtree(HOME / "armed", ignore_errors=True)
        for service in HOOKED:
            armed = HOME / "armed" / service
            armed.mkdir(parents=True)
            armed.chmod(0o777)  # remove the files that belong to the containers' user
        self.compose("up", "--build", "--wait", "--quiet-pull")
        self.users = [create_user(self.settings()) for _ in range(USERS)]
        # One client uses an API key in place of the password.
        self.users[-1].auth = self.users[-1].post("/api/api-keys", json={"description": "load"}).json()["key"]
        self.sound = True

    def down(self) -> None:
        """Remove the containers and their data."""
        for user in self.users:
            user.close()
        self.compose("down", "--volumes", "--remove-orphans")

    def compose(self, *words: str) -> str:
        """Run docker compose on the project; return its output, or fail with its last lines."""
        files = [f"--file={file}" for file in self.files] + ["--env-file", os.devnull]
        ports = {name: str(port) for name, port in self.published.items()}
        return run(
            *("docker", "compose", "--project-name", PROJECT, *files, *words),
            environment={
                **os.environ,
                **images(),
                **NO_LIMITS,
                **ports,
                "S3_ACCESS_KEY_ID": S3_ACCESS_KEY_ID,
                "S3_BUCKET": BUCKET,
                **self.environment,
            },
        )

    # --- clients ---

    def settings(self) -> Mapping[str, str]:
        """Return the settings of a client, in the form that `users` and `clients` take."""
        return {"GATEWAY_URL": gateway_url(), "AUTH_COMMAND": f"docker exec -i {container('auth')} auth"}

    def new_user(self) -> ValidatingClient:
        """Create a user; return their client."""
        return create_user(self.settings())

    def s3(self) -> "S3Client":
        """Return a client of S3 itself, past the proxy."""
        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{PORTS['S3_PORT']}",
            region_name="us-east-1",
            aws_access_key_id=S3_ACCESS_KEY_ID,
            aws_secret_access_key=self.environment["S3_SECRET_ACCESS_KEY"],
            config=Config(s3={"addressing_style": "path"}, max_pool_connections=20),
        )

    def query(self, database: str, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        """Query a database of the stack as its superuser. Raise `psycopg.Error` if it does not answer."""
        with psycopg.connect(
            **self.postgres(),
            user="postgres",
            password=self.environment["POSTGRES_PASSWORD"],
            dbname=database,
            connect_timeout=5,
            autocommit=True,
            row_factory=dict_row,
        ) as connection:
            return connection.execute(statement, parameters or None).fetchall()

    def postgres(self) -> dict[str, Any]:
        """Return where PostgreSQL is as seen from this machine, as parameters of libpq."""
        return {"host": "127.0.0.1", "port": self.published["POSTGRES_PORT"]}

    def amqp_url(self) -> str:
        """Return the URL of the broker as seen from this machine."""
        return f"amqp://imghost:{self.environment['RABBITMQ_PASSWORD']}@127.0.0.1:{PORTS['AMQP_PORT']}/%2F"

    # --- faults ---

    def kill(self, service: str) -> None:
        """Kill all processes of a service with SIGKILL."""
        run("docker", "kill", container(service))

    def start(self, service: str) -> None:
        """Start a service that was killed or stopped."""
        run("docker", "start", container(service))

    def restart(self, service: str) -> None:
        """Stop a service and start it, as an operator does."""
        self.compose("restart", service)

    def wait_until_healthy(self, service: str) -> None:
        """Wait until a service is ready."""
        self._wait_until_healthy(container(service))

    @staticmethod
    def _wait_until_healthy(name: str) -> None:
        def is_healthy() -> bool:
            return run("docker", "inspect", "--format", "{{.State.Health.Status}}", name) == "healthy\n"

        until(is_healthy, READY_S, f"{name} is not ready")

    def end(self, service: str) -> int:
        """Send SIGTERM to a service, and SIGKILL after its grace period; return the status that it ends with."""
        return end(container(service))

    @contextmanager
    def replicas(self, service: str, count: int) -> Iterator[None]:
        """Run `count` containers of a service during the block."""
        scale = ("up", "--detach", "--no-deps", "--no-recreate", "--wait", "--scale")
        self.compose(*scale, f"{service}={count}", service)
        try:
            yield
        finally:
            self.compose(*scale, f"{service}=1", service)

    @contextmanager
    def second_gateway(self) -> Iterator[str]:
        """Run another container of the gateway during the block, and yield its name."""
        name = f"{PROJECT}-gateway-second"
        self.compose("run", "--detach", "--no-deps", "--name", name, "gateway")
        try:
            self._wait_until_healthy(name)
            yield name
        finally:
            run("docker", "rm", "--force", name)

    @contextmanager
    def paused(self, service: str) -> Iterator[None]:
        """Freeze all processes of a service during the block."""
        pause(container(service))
        try:
            yield
        finally:
            run("docker", "unpause", container(service))

    @contextmanager
    def cut_off(self, network: str, *services: str) -> Iterator[None]:
        """Disconnect services from a network during the block; their addresses may be others afterwards."""
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
        """Run a command in a container; return its output."""
        return run("docker", "exec", container(service), *command)

    @contextmanager
    def armed(self, service: str, checkpoint: str, action: str, subject: str = "") -> Iterator[Path]:
        """Arm a checkpoint with `action` (die, die-always); yield the file, which is gone once a `die` has happened."""
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
        """Let the S3 proxy misbehave during the block (see `s3_proxy.Behaviour`); fail if that affected no request."""
        steer({"kind": kind, **fields})
        try:
            yield
            assert steer()["struck"] > 0, "no request met the misbehaving S3"
        finally:
            steer({"kind": "pass"})

    # --- what it shows ---

    def starts(self) -> set[Started]:
        """Return the last start of every container."""
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
        """Return the logs of every container since a moment, by its name."""
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
    """Return the address of the gateway."""
    return f"http://127.0.0.1:{PORTS['PORT']}"


def end(name: str) -> int:
    """Send SIGTERM to a container, and SIGKILL after its grace period; return the status that it ends with."""
    run("docker", "stop", "--time", "25", name)
    return int(run("docker", "inspect", "--format", "{{.State.ExitCode}}", name))


def address(name: str) -> str:
    """Return the address of a container of the gateway itself, past the engine's proxy."""
    networks = json.loads(run("docker", "inspect", "--format", "{{json .NetworkSettings.Networks}}", name))
    return f"http://{networks[f'{PROJECT}_published']['IPAddress']}:8000"


def container(service: str) -> str:
    """Return the container of a service."""
    return f"{PROJECT}-{service}-1"


def steer(behaviour: Mapping[str, Any] | None = None) -> dict[str, int]:
    """Set the behaviour of the S3 proxy, if one is given; return how many requests its behaviour has affected."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{PORTS['S3_PROXY_PORT']}/",
        data=None if behaviour is None else json.dumps(behaviour).encode(),
        method="GET" if behaviour is None else "PUT",
    )
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - the address is ours
        told: dict[str, int] = json.loads(answer.read())
        return told


def run(*command: str, environment: Mapping[str, str] | None = None) -> str:
    """Run a command; return its output, or fail with its last lines."""
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        pytest.fail(f"{' '.join(command)} ended with {done.returncode}:\n{last_lines(done.stdout)}", pytrace=False)
    return done.stdout


def last_lines(text: str, count: int = 30) -> str:
    """Return the last lines of a text."""
    lines: Sequence[str] = text.splitlines()
    return "\n".join(lines[-count:])
