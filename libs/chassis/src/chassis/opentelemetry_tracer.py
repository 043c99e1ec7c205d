"""What makes spans and sends them, with OpenTelemetry: imported only where there is a collector.

Spans wait in a queue of limited length, and those that do not fit are dropped: a collector that is away or hangs never
makes a request wait.
"""

import logging
import re
import threading
import time
from collections.abc import Mapping
from datetime import datetime

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, StatusCode, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis import tracing_variables

log = structlog.get_logger(__name__)

CLOSE_S = 2.0
_LOGGED_EVERY_S = 60.0
_LOGGERS = ("opentelemetry.sdk._shared_internal", "opentelemetry.exporter.otlp.proto.http.trace_exporter")
_NEW_TRACE = Context()
# Nearly all requests are of traces that are not kept, so this has to be told without OpenTelemetry. Ids are never 0.
_NOT_KEPT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f][02468ace]")
_KINDS = {kind.name.lower(): kind for kind in SpanKind}
_PROPAGATOR = TraceContextTextMapPropagator()

_Attributes = Mapping[str, str | int | float | bool]


class Made:
    """A span of a trace that is not kept, as somebody else has decided: the trace goes on by its ids alone."""

    is_kept = False

    def __init__(self, traceparent: str) -> None:
        self._traceparent = traceparent

    @property
    def traceparent(self) -> str:
        """What names the span to other processes."""
        return self._traceparent

    @property
    def trace_id(self) -> str:
        """The id of the trace in hexadecimal digits."""
        return self.traceparent[3:35]

    @property
    def span(self) -> Span:
        """The span of OpenTelemetry."""
        return get_current_span(_PROPAGATOR.extract({"traceparent": self._traceparent}, _NEW_TRACE))

    def set(self, name: str, value: str | float) -> None:
        """Set an attribute."""

    def happened(self, name: str, attributes: _Attributes) -> None:
        """Note what has happened at this moment."""

    def fail(self, reason: str) -> None:
        """Mark the span as failed."""

    def end(self) -> None:
        """End the span, which is sent soon."""


class MadeSpan(Made):
    """A span of OpenTelemetry."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self.is_kept = span.is_recording()

    @property
    def traceparent(self) -> str:
        """What names the span to other processes."""
        context = self._span.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    @property
    def span(self) -> Span:
        """The span of OpenTelemetry."""
        return self._span

    def set(self, name: str, value: str | float) -> None:
        """Set an attribute."""
        self._span.set_attribute(name, value)

    def happened(self, name: str, attributes: _Attributes) -> None:
        """Note what has happened at this moment."""
        self._span.add_event(name, attributes)

    def fail(self, reason: str) -> None:
        """Mark the span as failed."""
        self._span.set_status(StatusCode.ERROR)
        self._span.set_attribute("error.type", reason)

    def end(self) -> None:
        """End the span, which is sent soon."""
        self._span.end()


class Tracer:
    """Makes the spans of this process, the `service`, and sends them from a thread of its own.

    Tests have an `exporter` that keeps them.
    """

    def __init__(self, service: str, version: str, exporter: SpanExporter | None = None) -> None:
        named = {} if tracing_variables.name_service() else {"service.name": service}
        resource = Resource.create({**named, "service.namespace": "imghost", "service.version": version})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)  # its own waits for half a minute
        self._provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("imghost", version)
        self._parents_decide = isinstance(
            self._provider.sampler, ParentBased
        )  # as the default, and all "parentbased_…"
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(_Seldom())
        if (other := tracing_variables.name_another_protocol()) is not None:
            log.warning("traces are sent by http/protobuf, not by what the variables say", protocol=other)

    def first(self, name: str, kind: str, parent: str, link: str, attributes: _Attributes | None) -> Made:
        """Return the first span of a piece of work, below the one of `parent` or in a new trace, which shows `link`."""
        if self._parents_decide and _NOT_KEPT.fullmatch(parent):
            return Made(parent)
        linked = _read(link) if link else None
        context = _PROPAGATOR.extract({"traceparent": parent}, _NEW_TRACE) if parent else _NEW_TRACE
        links = [Link(linked)] if linked is not None and linked.is_valid else []
        return MadeSpan(self._tracer.start_span(name, context, _KINDS[kind], attributes, links))

    def below(self, name: str, kind: str, parent: Made, attributes: _Attributes | None) -> MadeSpan:
        """Return a span below `parent`."""
        context = set_span_in_context(parent.span, _NEW_TRACE)
        return MadeSpan(self._tracer.start_span(name, context, _KINDS[kind], attributes))

    def past(self, name: str, since: datetime, parent: str, attributes: _Attributes | None) -> None:
        """Show a span below `parent` that began at `since` and ends now."""
        ended = time.time_ns()
        began = min(int(since.timestamp() * 1e9), ended)  # clocks may differ
        context = _PROPAGATOR.extract({"traceparent": parent}, _NEW_TRACE)
        self._tracer.start_span(name, context, attributes=attributes, start_time=began).end(ended)

    def flush(self) -> None:
        """Send what has ended so far."""
        self._provider.force_flush()

    def close(self) -> None:
        """Send what is left, for `CLOSE_S` at most: a collector that hangs must not keep a process from ending."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(CLOSE_S)


def _read(traceparent: str) -> SpanContext:
    return get_current_span(_PROPAGATOR.extract({"traceparent": traceparent}, _NEW_TRACE)).get_span_context()


class _Seldom(logging.Filter):
    """Lets each message through once in a minute: while the collector is away, there would be one for every span."""

    def __init__(self) -> None:
        super().__init__()
        self._passed: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        moment = time.monotonic()
        if moment - self._passed.get(str(record.msg), -_LOGGED_EVERY_S) < _LOGGED_EVERY_S:
            return False
        self._passed[str(record.msg)] = moment
        return True
