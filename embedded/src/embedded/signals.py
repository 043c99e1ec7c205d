"""Ctrl-C, SIGTERM and a closed terminal all mean the same: end everything."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from embedded.faults import StopRequested

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _stop(signum: int, _frame: FrameType | None) -> None:
    ignore_further_stops()  # the end is on its way, and must not be ended half-way
    raise StopRequested(signum)


def ignore_further_stops() -> None:
    """Let the end run to its end."""
    for signum in STOPS:
        signal.signal(signum, signal.SIG_IGN)


@contextmanager
def stops_are_exceptions() -> Iterator[None]:
    """Raise StopRequested in the main thread for the first signal that asks for the end."""
    # nohup means it: who has a closed terminal ignored goes on.
    wanted = [signum for signum in STOPS if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN]
    before = {signum: signal.signal(signum, _stop) for signum in wanted}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
