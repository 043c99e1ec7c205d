"""The edge as a plain process: the nginx of this machine, started by the script that starts it in its container."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from deadlines import until
from embedded.parts.ports import free_ports

START = Path(__file__).parents[1] / "edge" / "start.sh"
PATH = f"{os.environ['PATH']}:/usr/sbin"
NEEDS = {"nginx": "nginx-light", "envsubst": "gettext-base"}


@dataclass(frozen=True)
class Edge:
    """A running edge at `url`, with its log in a file."""

    url: str
    log: Path

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines of its log."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


def missing_packages() -> list[str]:
    """Return the Debian packages of the programs that are missing here."""
    return [package for program, package in NEEDS.items() if shutil.which(program, path=PATH) is None]


@contextmanager
def edge(folder: Path, gateway_url: str, **settings: str) -> Iterator[Edge]:
    """Run the edge before the gateway at `gateway_url` during the block, with its files in `folder`.

    `settings` are those of its start script, without `EDGE_`; `LISTEN` has `{port}` in place of its port. Skip the test
    if a program that it needs is missing.
    """
    if missing := missing_packages():
        pytest.skip(f"the edge needs {' and '.join(missing)} (apt install)")
    folder.mkdir(exist_ok=True)
    (port,) = free_ports(1)
    given = {
        "GATEWAY": urlsplit(gateway_url).netloc,
        "TEMPORARY": str(folder),
        "CACHE": str(folder / "cache"),
        **settings,
        "LISTEN": settings.get("LISTEN", "127.0.0.1:{port}").format(port=port),
    }
    environment = {f"EDGE_{name}": value for name, value in given.items()}
    # The workers of root would change to a user who may not enter the folder.
    words = ["-g", "user root;"] if os.geteuid() == 0 else []
    log, scheme = folder / "edge.log", "https" if "TLS" in settings else "http"
    with (
        log.open("ab") as output,
        subprocess.Popen(
            [str(START), *words],
            env={"PATH": PATH, "GATEWAY_TRUSTED_PROXIES": "1", **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            url = f"{scheme}://127.0.0.1:{port}"
            until(lambda: process.poll() is not None or _listens(port), 20, "the edge does not start")
            assert process.poll() is None, log.read_text()
            yield Edge(url, log)
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
