"""Puts the clock of a process off: Python imports this module at start, where a test has it do so.

Not by a library under Python, as libfaketime is one: that breaks waiting on the monotonic clock.
"""

import os
import time

_true_time = time.time
_AHEAD_S = float(os.environ["CLOCK_AHEAD_S"])


def _shifted_time() -> float:
    return _true_time() + _AHEAD_S


time.time = _shifted_time
