"""Stacks that system tests run against."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge import edge
from embedded.parts import rabbitmq

REPOSITORY = Path(__file__).parents[1]
START_PATIENCE_S = 150.0
STOP_PATIENCE_S = 30.0
OUTSIDE = {"AMQP_URL", "S3_ENDPOINT_URL", "S3_BUCKET"}
"""Variables that may name a developer's own servers; run.env sets them for those of a run."""


@dataclass(frozen=True)
class EmbeddedRun:
    """A running `python -m embedded`; it leads a session, so that signals can be sent to it as a terminal does."""

    process: subprocess.Popen[bytes]
    home: Path
    output: Path

    def said(self) -> str:
        """Return everything that it has written so far."""
        return self.output.read_text(encoding="utf-8")

    def wait_for_line(self, text: str, within_s: float = START_PATIENCE_S) -> None:
        """Wait until it has written `text`."""
        deadline = time.monotonic() + within_s
        while text not in self.said():
            assert self.process.poll() is None, f"it has ended:\n{self.said()}"
            assert time.monotonic() < deadline, f"not within {within_s} s:\n{self.said()}"
            time.sleep(0.05)

    def wait_until_ready(self) -> dict[str, str]:
        """Wait until everything answers; return what run.env says."""
        self.wait_for_line("Ctrl-C stops everything")
        return read_run_env(self.home / "run.env")

    def wait_for_end(self, within_s: float = STOP_PATIENCE_S) -> int:
        """Wait for the end; return the exit code."""
        return self.process.wait(within_s)


def read_run_env(path: Path) -> dict[str, str]:
    """Return the settings of a run.env."""
    words = shlex.split(path.read_text(encoding="utf-8"))
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def start_embedded(
    home: Path,
    output: Path,
    ports: Mapping[str, int],
    *arguments: str,
    command: tuple[str, ...] = (),
    **environment: str,
) -> EmbeddedRun:
    """Start the embedded run in a state folder and on ports of its own; what it says goes into the file `output`."""
    variables = {name: value for name, value in os.environ.items() if name not in OUTSIDE}
    variables |= {
        "PYTHONPATH": str(REPOSITORY / "embedded" / "src"),
        "IMGHOST_HOME": str(home),
        **{name: str(port) for name, port in ports.items()},
        **environment,
    }
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*(command or (sys.executable, "-m", "embedded")), *arguments],
            cwd=REPOSITORY,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return EmbeddedRun(process, home, output)


def auth_command(home: Path) -> str:
    """Return how the operator's commands of auth are called on a run."""
    auth = Path(sys.executable).with_name("auth")
    return shlex.join(["env", f"AUTH_DATABASE_URL=sqlite:///{home}/run/auth.db", str(auth)])


def status_command(settings: Mapping[str, str]) -> str:
    """Return how `catalog status` is called on a run whose run.env says `settings`."""
    given = [f"{name}={value}" for name, value in settings.items() if name.startswith("CATALOG_")]
    return shlex.join(["env", *given, str(Path(sys.executable).with_name("catalog")), "status"])


@pytest.fixture(scope="session")
def plain_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The whole service as plain processes for all tests of a session.

    The mapping is run.env, AUTH_COMMAND, STATUS_COMMAND, and ELSEWHERE_COMMAND.
    """
    with started_plainly(tmp_path_factory.mktemp("embedded")) as settings:
        yield settings | {"ELSEWHERE_COMMAND": elsewhere_command(settings["GATEWAY_URL"])}


@pytest.fixture(scope="session")
def edge_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The same behind the edge. Changes show at once there, as most tests of the gateway expect it."""
    folder = tmp_path_factory.mktemp("embedded")
    behind_edge = {"GATEWAY_TRUSTED_PROXIES": "1", "GATEWAY_PUBLIC_MAX_AGE_S": "0"}
    with (
        started_plainly(folder, **behind_edge) as settings,
        edge(folder / "edge", settings["GATEWAY_URL"]) as running,
    ):
        yield settings | {"GATEWAY_URL": running.url, "ELSEWHERE_COMMAND": elsewhere_command(running.url)}


def elsewhere_command(url: str) -> str:
    """Return the command that runs a Python program which asks the service at `url` from another address."""
    return shlex.join([sys.executable, "-", url, "127.0.1.1"])


@contextmanager
def started_plainly(folder: Path, **environment: str) -> Iterator[dict[str, str]]:
    """Run the whole service as plain processes during the block; yield run.env, AUTH_COMMAND and STATUS_COMMAND."""
    if rabbitmq.find_script() is None:
        pytest.skip("RabbitMQ is not installed on this machine")
    # Any free ports: tests of other folders, which run at the same time, have such a stack, too.
    ports = {"PORT": 0, "S3_PORT": 0, "AMQP_PORT": 0}
    run = start_embedded(folder / "home", folder / "output", ports, "--no-sample", command=(), **environment)
    try:
        settings = run.wait_until_ready()
        commands = {"AUTH_COMMAND": auth_command(run.home), "STATUS_COMMAND": status_command(settings)}
        yield settings | commands
    finally:
        run.process.send_signal(signal.SIGTERM)
        assert run.wait_for_end() == 0, run.said()
