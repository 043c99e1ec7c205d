"""How long the caller of a request still waits, and whether they wait at all: looked at before anything is committed.

Callers send the seconds that are left, since clocks differ. A service that was stopped or overloaded may read a request
late, and cannot know how late. Then the caller has hung up, which the connection shows.
"""

import math
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Self

from chassis.errors import CallerGoneError

HEADER = "X-Time-Left"


@dataclass(frozen=True)
class Deadline:
    """The moment `ends`, of `time.monotonic`, until which a caller waits, if `is_awaited` still returns True."""

    ends: float
    is_awaited: Callable[[], bool] = lambda: True

    @classmethod
    def after(cls, seconds: float, is_awaited: Callable[[], bool] = lambda: True) -> Self:
        """Return the deadline that is `seconds` from now."""
        return cls(time.monotonic() + seconds, is_awaited)

    def left_s(self) -> float:
        """Return the seconds that are left, negative if the deadline has passed."""
        return self.ends - time.monotonic()

    def postponed(self, seconds: float) -> Self:
        """Return the deadline `seconds` later."""
        return replace(self, ends=self.ends + seconds)


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


def set_current(deadline: Deadline | None) -> None:
    """Set the deadline of what this thread does from now on; None if nobody waits for it."""
    _current.set(deadline)


def left_s() -> float:
    """Return for how many seconds the caller whom this thread works for still waits, endless if nobody does."""
    deadline = _current.get()
    return math.inf if deadline is None else deadline.left_s()


def require() -> None:
    """Raise `CallerGoneError` if this thread works for a caller who no longer waits."""
    deadline = _current.get()
    if deadline is not None and (deadline.left_s() <= 0 or not deadline.is_awaited()):
        raise CallerGoneError
