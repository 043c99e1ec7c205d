"""The HTTP side of a checkout as plain processes on PostgreSQL, as many as compose starts: gateway, auth, catalog."""

import base64
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import requests

from containers import images

USERNAME, PASSWORD = "anna", "annas password"
BASIC = "Basic " + base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
PROCESSES = 2
SERVICES = ("auth", "catalog", "gateway")


@dataclass
class Chain:
    """The services of the checkout at `root`, each with its log in `folder`; `databases` are the URLs by service.

    `further` are variables for all services beside those that are set here.
    """

    root: Path
    folder: Path
    databases: dict[str, str]
    ports: dict[str, int] = field(default_factory=lambda: {service: free_port() for service in SERVICES})
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    further: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        """Migrate, start all services, and wait until they answer."""
        keys = ("--private", str(self.folder / "private.pem"), "--public", str(self.folder / "public.pem"))
        self._run("auth", "create-token-key", *keys)
        for service in ("auth", "catalog"):
            self._run(service, "migrate")
        for service in SERVICES:
            self.start_one(service)

    def start_one(self, service: str) -> None:
        """Start one service, ended first if it runs, and wait until it answers."""
        self._stop_one(service)
        with (self.folder / f"{service}.log").open("ab") as log:
            self.processes[service] = subprocess.Popen(
                [self._program(service), "serve"],
                env=self._environment(service),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if service == "gateway":
            _favour(self.processes[service].pid)
        ends = time.monotonic() + 30
        while not self._answers(service):
            if time.monotonic() > ends:
                raise TimeoutError(f"{service} does not answer: see {self.folder}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End all services."""
        for service in list(self.processes):
            self._stop_one(service)

    def workers(self, service: str) -> list[int]:
        """Return the process ids of the web processes of `service`."""
        pid = self.processes[service].pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def make_key(self) -> str:
        """Return a new API key of the user."""
        url = f"http://127.0.0.1:{self.ports['gateway']}/api/api-keys"
        return str(requests.post(url, auth=(USERNAME, PASSWORD), timeout=10).json()["key"])

    def _stop_one(self, service: str) -> None:
        process = self.processes.pop(service, None)
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _answers(self, service: str) -> bool:
        with suppress(requests.ConnectionError):
            return requests.get(f"http://127.0.0.1:{self.ports[service]}/healthz", timeout=5).ok
        return False

    def _program(self, service: str) -> str:
        return str(self.root / ".venv" / "bin" / service)

    def _run(self, service: str, *words: str) -> None:
        command = [self._program(service), *words]
        subprocess.run(command, env=self._environment(service), check=True, timeout=60, stdout=-3, stderr=-3)

    def _environment(self, service: str) -> dict[str, str]:
        own = {
            "auth": {
                "TOKEN_PRIVATE_KEY_FILE": str(self.folder / "private.pem"),
                "FIRST_USERNAME": USERNAME,
                "FIRST_PASSWORD": PASSWORD,
            },
            "catalog": {
                "TOKEN_PUBLIC_KEY_FILE": str(self.folder / "public.pem"),
                "BUCKETS": json.dumps({"imghost": {}}),
                "DEFAULT_BUCKET": "imghost",
            },
            "gateway": {
                "AUTH_URL": f"http://127.0.0.1:{self.ports['auth']}",
                "CATALOG_URL": f"http://127.0.0.1:{self.ports['catalog']}",
            },
        }
        common = {"LISTEN_HOST": "127.0.0.1", "LISTEN_PORT": str(self.ports[service]), "OPS_PORT": "0"}
        settings = {"WEB_PROCESSES": str(PROCESSES), **common, **own[service]}
        if service in self.databases:
            settings["DATABASE_URL"] = self.databases[service]
        named = {f"{service.upper()}_{name}": value for name, value in settings.items()}
        return {"PATH": os.environ["PATH"], **named, **self.further}


def _favour(pid: int) -> None:
    """Give the session of the process `pid` four times the part of the CPU that others get, as in compose.

    A step of nice is a factor of 1.25; sessions have one of their own (sched(7), "The autogroup feature").
    """
    with suppress(OSError):  # only root may, where the kernel has it
        Path(f"/proc/{pid}/autogroup").write_text("-6")


def free_port() -> int:
    """Return a port that nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def postgresql(names: Sequence[str], called: str = "", settings: Sequence[str] = ()) -> Iterator[dict[str, str]]:
    """Start a PostgreSQL with `settings` in a container; yield the URLs of databases with these `names`.

    The container gets a name of its own, unless it is `called` something, so that its log can be read.
    """
    port = free_port()
    command = ["docker", "run", "--rm", "-d", "-p", f"127.0.0.1:{port}:5432", "-e", "POSTGRES_PASSWORD=bench"]
    named = ("--name", called) if called else ()
    server = ("postgres", *(word for setting in settings for word in ("-c", setting)))
    container = subprocess.check_output([*command, *named, images()["POSTGRES_IMAGE"], *server], text=True).strip()
    try:
        for name in names:
            _create_database(container, name)
        yield {name: f"postgresql+psycopg://postgres:bench@127.0.0.1:{port}/{name}" for name in names}
    finally:
        subprocess.run(["docker", "rm", "-f", container], check=False, stdout=-3)  # noqa: S607


def _create_database(container: str, name: str) -> None:
    command = [
        "docker",
        "exec",
        container,
        "psql",
        "-h",
        "127.0.0.1",
        "-U",
        "postgres",
        "-c",
        f"CREATE DATABASE {name}",
    ]
    environment = [*command[:2], "-e", "PGPASSWORD=bench", *command[2:]]
    for _ in range(120):
        if subprocess.run(environment, check=False, stdout=-3, stderr=-3).returncode == 0:
            return
        time.sleep(0.5)
    raise TimeoutError("PostgreSQL does not start")
