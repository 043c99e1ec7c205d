"""Traces: what one piece of work did in all processes, as spans that OpenTelemetry sends to a collector.

They are off unless the standard variables of OpenTelemetry name a collector; nothing of OpenTelemetry is imported then.
The trace goes on from process to process by the W3C's `traceparent`: in requests, in events, so in the outbox, and in
the headers of messages. docs/decisions/traces.md says why the spans are our own.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from chassis import tracing_variables

if TYPE_CHECKING:
    from chassis.opentelemetry_tracer import Made, Tracer

Kind = Literal["server", "client", "producer", "consumer", "internal"]
Attributes = Mapping[str, str | int | float | bool]

# The header of requests and messages, and the attribute of events (w3.org/TR/trace-context).
HEADER = "traceparent"


class Span:
    """A part of the work, which lasts until `end`, or to the end of the body that it is the context of.

    This one is of no trace that is kept, so that it does nothing.
    """

    is_kept = False

    @property
    def traceparent(self) -> str:
        """What names this span to other processes, empty without a trace."""
        return ""

    @property
    def trace_id(self) -> str:
        """The id of the trace in hexadecimal digits, empty without one."""
        return ""

    def set(self, name: str, value: str | float) -> None:
        """Set an attribute, named as in the semantic conventions of OpenTelemetry where they have a name."""

    def happened(self, name: str, attributes: Attributes) -> None:
        """Note what has happened at this moment."""

    def fail(self, reason: str) -> None:
        """Mark the span as failed, for the kind of error `reason`. Texts of errors may contain what is secret."""

    def end(self) -> None:
        """End the span; what this thread does afterwards is of the span before it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _fault: BaseException | None, _where: TracebackType | None
    ) -> None:
        if kind is not None:
            self.fail(kind.__name__)
        self.end()


class _Traced(Span):
    """A span of a trace, the current one of its thread until it ends."""

    def __init__(self, made: "Made") -> None:
        self._made = made
        self.is_kept = made.is_kept
        self._before = _current.get()
        _current.set(self)

    @property
    def traceparent(self) -> str:
        return self._made.traceparent

    @property
    def trace_id(self) -> str:
        return self._made.trace_id

    @property
    def made(self) -> "Made":
        return self._made

    def set(self, name: str, value: str | float) -> None:
        self._made.set(name, value)

    def happened(self, name: str, attributes: Attributes) -> None:
        self._made.happened(name, attributes)

    def fail(self, reason: str) -> None:
        self._made.fail(reason)

    def end(self) -> None:
        self._made.end()
        if _current.get() is self:
            _current.set(self._before)


NOTHING = Span()
_current: ContextVar[_Traced | None] = ContextVar("span", default=None)
_names = ("unknown", "")
_tracer: "Tracer | None" = None


def name(service: str, version: str) -> None:
    """Have the spans of this process, and of those that are forked from it, be of `service`."""
    global _names  # noqa: PLW0603 - a process has one, as it has one log
    _names = service, version


def begin() -> None:
    """Begin to send spans if there is a collector. A process that is forked later would not send any."""
    global _tracer  # noqa: PLW0603 - a process has one, as it has one log
    if tracing_variables.name_a_collector():
        from chassis.opentelemetry_tracer import Tracer  # noqa: PLC0415 - takes 14 MB and 0.2 s

        _tracer = Tracer(*_names)


def end() -> None:
    """Send what is left to the collector, if it takes it within two seconds."""
    if _tracer is not None:
        _tracer.close()


def work(
    name: str,
    kind: Kind,
    *,
    parent: str = "",
    link: str = "",
    attributes: Attributes | None = None,
) -> Span:
    """Return a new span that a piece of work in this process begins with.

    It goes on with the trace of the `traceparent` that is `parent`, or begins a new trace, which shows the one of
    `link`. The sampler that the standard variables name decides whether it is kept.
    """
    if _tracer is None:
        return NOTHING
    return _Traced(_tracer.first(name, kind, parent, link, attributes))


def span(name: str, kind: Kind = "internal", attributes: Attributes | None = None) -> Span:
    """Return a new span below the current one of this thread; one that does nothing if that one is not kept."""
    current = _current.get()
    if current is None or not current.is_kept or _tracer is None:
        return NOTHING
    return _Traced(_tracer.below(name, kind, current.made, attributes))


def waited(name: str, since: datetime, parent: str, attributes: Attributes | None = None) -> None:
    """Show below `parent` a wait that began at `since` and ends now. With tracing off, or for no parent, do nothing."""
    if _tracer is not None and parent:
        _tracer.past(name, since, parent, attributes)


def is_on() -> bool:
    """Return whether this process sends spans."""
    return _tracer is not None


def current() -> Span:
    """Return the current span of this thread."""
    return _current.get() or NOTHING
