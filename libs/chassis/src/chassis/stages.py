"""Stages of a piece of work, such as a request or a job: what it does, and what it waits for.

Each is timed at one place for all who look: for the log line about the work, for a metric, and for its trace.
"""

import time
from collections.abc import Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Protocol

from chassis import tracing
from chassis.tracing import Attributes, Kind, Span


class Metric(Protocol):
    """A histogram of seconds."""

    def observe(self, amount: float) -> None:
        """Count a duration."""
        ...


_spent: ContextVar[dict[str, float] | None] = ContextVar("spent", default=None)


def begin() -> dict[str, float]:
    """Begin with a piece of work; return where the seconds of its stages are added up by name."""
    spent: dict[str, float] = {}
    _spent.set(spent)
    return spent


def spent() -> Mapping[str, float]:
    """Return the seconds of the stages of the current work so far, by name."""
    return _spent.get() or {}


def in_ms(spent: Mapping[str, float]) -> dict[str, float]:
    """Return durations in milliseconds, for the log."""
    return {name: round(seconds * 1000, 1) for name, seconds in spent.items()}


class Stage:
    """Times its body as the stage `name` of the current work, in `metric` if there is one, and as a span."""

    __slots__ = ("_began", "_metric", "_name", "_span")

    def __init__(
        self, name: str, metric: Metric | None = None, kind: Kind = "internal", attributes: Attributes | None = None
    ) -> None:
        self._name, self._metric = name, metric
        self._span = tracing.span(name, kind, attributes)
        self._began = time.perf_counter()

    def __enter__(self) -> Span:
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, where: TracebackType | None
    ) -> None:
        took_s = time.perf_counter() - self._began
        if self._metric is not None:
            self._metric.observe(took_s)
        spent = _spent.get()
        if spent is not None:
            spent[self._name] = spent.get(self._name, 0.0) + took_s
        self._span.__exit__(kind, fault, where)
