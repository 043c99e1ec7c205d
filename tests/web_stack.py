"""auth, catalog and the gateway as plain processes on SQLite: the whole HTTP side, without a broker or S3.

For tests that change what surrounds these processes: their clocks, their addresses, the proxy before them.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from clients import ValidatingClient
from deadlines import until
from embedded.parts.ports import free_ports

ANNA = ("anna", "annas password")
BUCKET = "imghost"
CLOCKS = Path(__file__).with_name("clocks")
HOOKS = Path(__file__).parent / "faults" / "hooks"


@dataclass
class WebStack:
    """The three web services, each with its log in `folder`; `host` is the address that they listen on, as in URLs.

    Files in a folder of `armed` kill the processes of the service, as the hooks of the fault tests say. The variables
    of `shared` are in the environment of all services.
    """

    folder: Path
    host: str = "127.0.0.1"
    ports: dict[str, int] = field(
        default_factory=lambda: dict(zip(("auth", "catalog", "gateway"), free_ports(3), strict=True))
    )
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    armed: dict[str, Path] = field(default_factory=dict)
    shared: dict[str, str] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def copied(cls, prepared: Path, folder: Path) -> "Iterator[WebStack]":
        """Copy the keys and databases of a prepared stack to `folder`; yield a stack there, and end its services."""
        shutil.copytree(prepared, folder, dirs_exist_ok=True)
        stack = cls(folder)
        try:
            yield stack
        finally:
            for service in list(stack.processes):
                stack.stop(service)

    def prepare(self) -> None:
        """Create the key pair, the databases, and the user `ANNA`."""
        self.make_keys()
        self.run("auth", "migrate")
        self.run("catalog", "migrate")

    def make_keys(self) -> None:
        """Create the key pair for signing and verifying tokens."""
        keys = ("--private", str(self.folder / "private.pem"), "--public", str(self.folder / "public.pem"))
        self.run("auth", "create-token-key", *keys)

    def start_all(self, **settings_of_gateway: str) -> None:
        """Start all three services."""
        self.start("auth")
        self.start("catalog")
        self.start("gateway", 0, **settings_of_gateway)

    def start(self, service: str, clock_s: int = 0, **settings: str) -> None:
        """Start a service, ended first if it runs, and wait until it answers; `settings` are named without its prefix.

        Its clock is `clock_s` seconds ahead.
        """
        self.stop(service)
        environment = self.environment(service) | {f"{service.upper()}_{name}": v for name, v in settings.items()}
        if clock_s:
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(CLOCKS), environment["PYTHONPATH"])))
            environment["CLOCK_AHEAD_S"] = str(clock_s)
        if (armed := self.armed.get(service)) is not None:
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(HOOKS), environment["PYTHONPATH"])))
            environment["ARMED"] = str(armed)
        with (self.folder / f"{service}.log").open("wb") as log:
            self.processes[service] = subprocess.Popen(
                [self.program(service), "serve"],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that its web processes can be killed with it
            )
        until(lambda: self._answers(service), 30, f"{service} does not answer:\n{self.said(service)}")

    def start_worker(self, service: str, **settings: str) -> None:
        """Start the worker of a service, ended first if it runs; `settings` are named without its prefix."""
        name = f"{service}-worker"
        self.stop(name)
        environment = self.environment(service) | {f"{service.upper()}_{name}": v for name, v in settings.items()}
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [self.program(service), "worker"],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self, service: str) -> None:
        """End a service or a worker, if it runs."""
        process = self.processes.pop(service, None)
        if process is not None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def url(self, service: str = "gateway") -> str:
        """Return the address of a service."""
        return f"http://{self.host}:{self.ports[service]}"

    def anna(self, base_url: str = "") -> ValidatingClient:
        """Return a client of the user `ANNA`, by default at the gateway itself."""
        return ValidatingClient(base_url or self.url(), ANNA)

    def said(self, service: str) -> str:
        """Return everything that a service has logged."""
        return (self.folder / f"{service}.log").read_text()

    def lines(self, service: str, event: str) -> list[dict[str, Any]]:
        """Return the lines of a service's log with the event `event`."""
        return [
            line
            for line in (json.loads(text) for text in self.said(service).splitlines() if text.startswith("{"))
            if line["event"] == event
        ]

    def _answers(self, service: str) -> bool:
        assert self.processes[service].poll() is None, self.said(service)
        with suppress(requests.ConnectionError, requests.Timeout):
            return requests.get(f"{self.url(service)}/healthz", timeout=5).ok
        return False

    def run(self, service: str, *words: str, answer: str = "") -> str:
        """Run a command of a service, with `answer` on its standard input; return its output."""
        command = [self.program(service), *words]
        return subprocess.run(
            command,
            env=self.environment(service),
            input=answer,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=60,
        ).stdout

    @staticmethod
    def program(service: str) -> str:
        """Return the path of the commands of a service."""
        return str(Path(sys.executable).with_name(service))

    def environment(self, service: str) -> dict[str, str]:
        """Return the environment of a service."""
        own = {
            "auth": {
                "DATABASE_URL": f"sqlite:///{self.folder}/auth.db",
                "TOKEN_PRIVATE_KEY_FILE": str(self.folder / "private.pem"),
                "FIRST_USERNAME": ANNA[0],
                "FIRST_PASSWORD": ANNA[1],
            },
            "catalog": {
                "DATABASE_URL": f"sqlite:///{self.folder}/catalog.db",
                "TOKEN_PUBLIC_KEY_FILE": str(self.folder / "public.pem"),
                "BUCKETS": json.dumps({BUCKET: {}}),
                "DEFAULT_BUCKET": BUCKET,
            },
            "gateway": {"AUTH_URL": self.url("auth"), "CATALOG_URL": self.url("catalog")},
        }
        common = {"LISTEN_HOST": self.host, "LISTEN_PORT": str(self.ports[service]), "OPS_PORT": "0"}
        settings = {"WEB_PROCESSES": "1", **common, **own[service]}
        # PYTHONPATH, so that the processes import the same sources as this one: `make mutants` sets it.
        inherited = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        return {**inherited, **self.shared, **{f"{service.upper()}_{name}": value for name, value in settings.items()}}


@pytest.fixture(scope="session")
def prepared_web_stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with keys and databases, which every test copies."""
    stack = WebStack(tmp_path_factory.mktemp("web-stack"))
    stack.prepare()
    return stack.folder


@pytest.fixture
def web_stack(prepared_web_stack: Path, tmp_path: Path) -> Iterator[WebStack]:
    """The three web services, prepared; the test starts them."""
    with WebStack.copied(prepared_web_stack, tmp_path) as stack:
        yield stack
