"""SIGINT and SIGTERM are handled between two steps of a long command."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Wait = Callable[[float], bool]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SLICE_S = 0.1


@contextmanager
def postponed() -> Iterator[Wait]:
    """Yield a function that waits for some seconds and returns whether a signal has come; if so, it returns at once.

    A second signal has its usual effect.
    """
    came = False

    def note(_number: int, _frame: FrameType | None) -> None:
        nonlocal came
        came = True
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    # In slices, and without a threading.Event: a handler that sets one deadlocks with the wait that it interrupts.
    def wait(seconds: float) -> bool:
        ends = time.monotonic() + seconds
        while not came and (left := ends - time.monotonic()) > 0:
            time.sleep(min(left, _SLICE_S))
        return came

    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield wait
    finally:
        restore()
