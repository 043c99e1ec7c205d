"""Sets the clock of a process ahead: Python imports this module at start if a test puts its folder on the path.

A library below Python, such as libfaketime, would not do: it breaks waiting on the monotonic clock.
"""

import datetime as dt
import os
import time

TRUE_TIME = time.time
AHEAD_S = float(os.environ["CLOCK_AHEAD_S"])


class _Kind(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return type(instance).__name__ in {"datetime", "_ShiftedDatetime"}


class _ShiftedDatetime(dt.datetime, metaclass=_Kind):
    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> "_ShiftedDatetime":
        """Return the shifted present."""
        return cls.fromtimestamp(_shifted_time(), tz)


def _shifted_time() -> float:
    return TRUE_TIME() + AHEAD_S


time.time = _shifted_time
dt.datetime = _ShiftedDatetime  # type: ignore[misc]
