"""Waiting for a condition, with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

PAUSE_S = 0.05


def until(condition: Callable[[], Found | None], deadline_s: float, otherwise: str) -> Found:
    """Call `condition` until it returns a true value, and return that; fail after `deadline_s` seconds."""
    ends = time.monotonic() + deadline_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < ends, f"not within {deadline_s:g} s: {otherwise}"
        time.sleep(PAUSE_S)
