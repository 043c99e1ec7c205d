"""Write the lines that a person sees. The logs go elsewhere; a closed terminal never breaks the shutdown."""

import os
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TextIO

RED, YELLOW, BOLD = "31", "33", "1"


def coloured(text: str, code: str, stream: TextIO) -> str:
    """Return `text` in a colour if `stream` is a terminal and NO_COLOR (https://no-color.org) is unset or empty."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty():
        return text
    return f"\033[{code}m{text}\033[0m"


def _write(text: str, stream: TextIO) -> None:
    try:
        stream.write(text + "\n")
        stream.flush()
    except (OSError, ValueError):  # the terminal or the reader of the pipe is gone
        # Python (3.13.5 does) may try again when it exits, fail again, and exit with code 120.
        with suppress(OSError, ValueError), Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())


def say(text: str = "", stream: TextIO | None = None) -> None:
    """Write one line of progress or result, by default to standard output."""
    _write(text, stream or sys.stdout)


def headline(text: str) -> None:
    """Write a line that stands out."""
    _write(coloured(text, BOLD, sys.stdout), sys.stdout)


def warn(text: str) -> None:
    """Write a warning; the run goes on."""
    _write(coloured(f"imghost: {text}", YELLOW, sys.stderr), sys.stderr)


def complain(text: str, details: Iterable[str] = ()) -> None:
    """Write the line that says why the run ended, and indented lines of a log below it."""
    _write(coloured(f"imghost: {text}", RED, sys.stderr), sys.stderr)
    for line in details:
        _write(f"    {line}", sys.stderr)


class Stopwatch:
    """Writes progress lines that begin with the seconds since the start."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Return the time since the start."""
        return time.monotonic() - self._started

    def say(self, text: str) -> None:
        """Write a line of progress with its time."""
        say(f"{self.seconds:5.1f} s  {text}")
