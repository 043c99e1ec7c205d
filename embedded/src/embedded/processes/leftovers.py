"""Find and end all processes of a run, also those that its launcher does not know or could not end.

Every child has a mark in its environment (`child.MARK`), which its own children inherit. Those that were started with a
clean environment are found by their session, which a child of the run leads. Linux only: elsewhere there is no /proc.
"""

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress

from embedded.home import Home
from embedded.processes import proc
from embedded.processes.child import MARK

PATIENCE_S = 3.0


def find(home: Home, sessions: Iterable[int] = ()) -> list[int]:
    """Return the ids of all living processes of a run in `home`, and of all in one of the `sessions`."""
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
    """End what `find` finds: send SIGTERM, and SIGKILL after some seconds. Return how many processes there were."""
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
