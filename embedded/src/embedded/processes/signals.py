"""Turn Ctrl-C, SIGTERM and a closed terminal into `StopRequested`."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from embedded.faults import StopRequested

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


_requested: list[int] = []


def _stop(signum: int, _frame: FrameType | None) -> None:
    _requested.append(signum)
    ignore_further_stops()  # a second Ctrl-C must not interrupt the shutdown
    raise StopRequested(signum)


def require_no_stop() -> None:
    """Raise `StopRequested` if a signal has arrived: Python drops exceptions that are raised in some callbacks."""
    if _requested:
        raise StopRequested(_requested[0])


def ignore_further_stops() -> None:
    """Ignore these signals from now on, so that nothing interrupts the shutdown."""
    for signum in STOPS:
        signal.signal(signum, signal.SIG_IGN)


@contextmanager
def stops_are_exceptions() -> Iterator[None]:
    """Raise `StopRequested` in the main thread when the first of these signals arrives."""
    # Under nohup SIGHUP is ignored, and stays so: the run is meant to outlive its terminal.
    wanted = [signum for signum in STOPS if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN]
    _requested.clear()
    before = {signum: signal.signal(signum, _stop) for signum in wanted}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
