"""Progress of a long command on standard error: a bar on a terminal, else a line every few seconds."""

import itertools
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

LINE_EVERY_S = 5.0


class Progress:
    """A count of what is done, of `total` if that is known; without a bar a line is printed every `every_s` seconds."""

    def __init__(self, label: str, total: int | None, bar: "ProgressBar[int] | None", every_s: float) -> None:
        self._label = label
        self._total = total
        self._bar = bar
        self._every_s = every_s
        self._last_line = time.monotonic()
        self._done = 0

    def reached(self, done: int, note: str = "") -> None:
        """Show that `done` are done, with a `note` beside it if there is one."""
        if self._bar is not None:
            self._bar.label = f"{self._label} ({note})" if note else self._label
            self._bar.update(done - self._done)
            self._bar.render_progress()
        elif time.monotonic() - self._last_line >= self._every_s:
            self._last_line = time.monotonic()
            of = "" if self._total is None else f" of {self._total}"
            click.echo(f"{self._label}: {done}{of}{f', {note}' if note else ''}", err=True)
        self._done = done


@contextmanager
def shown(label: str, total: int | None, *, done: int = 0, every_s: float = LINE_EVERY_S) -> Iterator[Progress]:
    """Show progress from `done` on while the block runs; without a terminal, print a line every `every_s` seconds."""
    if not sys.stderr.isatty():
        yield Progress(label, total, None, every_s)
        return
    # Without a total, click needs an iterable, and shows only the count.
    items = itertools.count() if total is None else None
    with click.progressbar(items, length=total, label=label, show_pos=True, file=sys.stderr) as bar:
        progress = Progress(label, total, bar, every_s)
        progress.reached(done)
        yield progress
