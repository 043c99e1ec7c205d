"""The few lines a person sees. Logs go elsewhere; a terminal that went away never breaks the shutdown."""

import os
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import TextIO

RED, YELLOW, BOLD = "31", "33", "1"


def coloured(text: str, code: str, stream: TextIO) -> str:
    """Paint `text` if `stream` is a terminal and NO_COLOR (https://no-color.org) is unset or empty."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty():
        return text
    return f"\033[{code}m{text}\033[0m"


def _write(text: str, stream: TextIO) -> None:
    with suppress(OSError, ValueError):  # a closed terminal or a reader that has gone
        stream.write(text + "\n")
        stream.flush()


def say(text: str = "") -> None:
    """Write one line of progress or result."""
    _write(text, sys.stdout)


def headline(text: str) -> None:
    """Write a line that stands out."""
    _write(coloured(text, BOLD, sys.stdout), sys.stdout)


def warn(text: str) -> None:
    """Write one line that a person should see, though the run goes on."""
    _write(coloured(f"imghost: {text}", YELLOW, sys.stderr), sys.stderr)


def complain(text: str, details: Iterable[str] = ()) -> None:
    """Write the one line that says why the run ended, and lines of a log below it."""
    _write(coloured(f"imghost: {text}", RED, sys.stderr), sys.stderr)
    for line in details:
        _write(f"    {line}", sys.stderr)


class Stopwatch:
    """Progress lines with the seconds since the start in front."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Return the time since the start."""
        return time.monotonic() - self._started

    def say(self, text: str) -> None:
        """Write one line of progress with its time."""
        say(f"{self.seconds:5.1f} s  {text}")
