"""The last broom: no process of a run outlives it, whatever its runner, its parent or itself did wrong.

Every child carries a mark in its environment (`child.MARK`). A process without it, such as one that a child started
with a clean environment, is known by the session that a child leads. Linux only: elsewhere there is no /proc.
"""

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress

from embedded import proc
from embedded.child import MARK
from embedded.home import Home

PATIENCE_S = 3.0


def find(home: Home, sessions: Iterable[int] = ()) -> list[int]:
    """Return the ids of all living processes of a run in `home`, or of one of the `sessions`."""
    mark, wanted = f"{MARK}={home.root}".encode(), set(sessions)
    found = []
    for pid in proc.all_processes():
        status = proc.status(pid)
        if status is None or status.is_dead or pid == os.getpid():
            continue
        if status.session in wanted or mark in proc.environment(pid):
            found.append(pid)
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
