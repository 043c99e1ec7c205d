"""The description of one child process: its command, its whole environment, and the log that its output goes to."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from embedded.home import Home

MARK = "IMGHOST_EMBEDDED_HOME"
"""In the environment of every child, so that none of them can be lost; see `leftovers`."""
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Child:
    """A process of the run."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]

    def log(self, home: Home) -> Path:
        """Return the file with everything that the process writes."""
        return home.logs / f"{self.name}.log"


def base_environment(home: Home) -> dict[str, str]:
    """Return the variables that every child gets.

    Nothing else of the caller's environment is passed on: proxies, `PYTHON*` and `RABBITMQ*` would change the children.
    What a caller sets for one of our services (`AUTH_LOG_LEVEL=debug`) is passed to it by `services`.
    """
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}:{SYSTEM_PATH}",
        "HOME": str(home.run),
        "TMPDIR": str(home.temporary),
        "LANG": "C.UTF-8",
        "NO_COLOR": "1",
        "PYTHONUNBUFFERED": "1",
        MARK: str(home.root),
    }
    if zone := os.environ.get("TZ"):
        environment["TZ"] = zone
    return environment


def program(name: str) -> str:
    """Return the path of a console script of the environment that runs this."""
    return str(Path(sys.executable).parent / name)


def last_lines(log: Path, count: int = 12) -> list[str]:
    """Return the last lines of a log, oldest first; an empty list if there is no log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 64 * 1024))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [line for line in lines if line.strip()][-count:]
