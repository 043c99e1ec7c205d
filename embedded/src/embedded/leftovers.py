"""The last broom: no process of a run outlives it, whatever its runner, its parent or itself did wrong.

Every child carries a mark in its environment (`child.MARK`). A process without it, such as one that a child started
with a clean environment, is known by the session that a child leads. Linux only: elsewhere there is no /proc.
"""

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from embedded.child import MARK
from embedded.home import Home

PROC = Path("/proc")
PATIENCE_S = 3.0
SESSION_FIELD = 3
"""Of what follows the command in /proc/PID/stat: state, parent, group, session."""


def _session(process: Path) -> int | None:
    """Return the session of a process, None if it is a zombie: that one is dead and waits for its parent only."""
    fields = (process / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[SESSION_FIELD])


def find(home: Home, sessions: Iterable[int] = ()) -> list[int]:
    """Return the ids of all living processes of a run in `home`, or of one of the `sessions`."""
    mark = f"{MARK}={home.root}".encode()
    wanted, found = set(sessions), []
    for process in PROC.glob("[0-9]*"):
        with suppress(OSError, ValueError):  # it ended meanwhile, or belongs to somebody else
            session = _session(process)
            if session is None or int(process.name) == os.getpid():
                continue
            if session in wanted or mark in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found


def end(home: Home, sessions: Iterable[int] = ()) -> int:
    """End all of them, SIGTERM first, SIGKILL after some seconds; return how many there were."""
    wanted = set(sessions)
    first = remaining = find(home, wanted)
    for signum in (signal.SIGTERM, signal.SIGKILL):
        for process in remaining:
            with suppress(ProcessLookupError):
                os.kill(process, signum)
        deadline = time.monotonic() + PATIENCE_S
        while remaining and time.monotonic() < deadline:
            time.sleep(0.05)
            remaining = find(home, wanted)
    return len(first)
