"""What makes spans and sends them, with OpenTelemetry: imported only where there is a collector.

Spans wait in a queue of limited length, and those that do not fit are dropped: a collector that is away or hangs never
makes a request wait.
"""

import logging
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
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, StatusCode, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis import tracing_variables

log = structlog.get_logger(__name__)

CLOSE_S = 2.0
_LOGGED_EVERY_S = 60.0
_LOGGERS = ("opentelemetry.sdk._shared_internal", "opentelemetry.exporter.otlp.proto.http.trace_exporter")
_NEW_TRACE = Context()
_PROPAGATOR = TraceContextTextMapPropagator()

_Attributes = Mapping[str, str | int | float | bool]


class MadeSpan:
    """A span of OpenTelemetry."""

    def __init__(self, span: Span) -> None:
        self.span = span
        context = span.get_span_context()
        self.is_kept = span.is_recording()
        self.trace_id = f"{context.trace_id:032x}"
        self.traceparent = f"00-{self.trace_id}-{context.span_id:016x}-{context.trace_flags:02x}"

    def set(self, name: str, value: str | float) -> None:
        """Set an attribute."""
        self.span.set_attribute(name, value)

    def happened(self, name: str, attributes: _Attributes) -> None:
        """Note what has happened at this moment."""
        self.span.add_event(name, attributes)

    def fail(self, reason: str) -> None:
        """Mark the span as failed."""
        self.span.set_status(StatusCode.ERROR)
        self.span.set_attribute("error.type", reason)

    def end(self) -> None:
        """End the span, which is sent soon."""
        self.span.end()


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
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(_Seldom())
        if (other := tracing_variables.name_another_protocol()) is not None:
            log.warning("traces are sent by http/protobuf, not by what the variables say", protocol=other)

    def first(self, name: str, kind: str, parent: str, link: str, attributes: _Attributes | None) -> MadeSpan:
        """Return the first span of a piece of work, below the one of `parent` or in a new trace, which shows `link`."""
        linked = _read(link) if link else None
        context = _PROPAGATOR.extract({"traceparent": parent}, _NEW_TRACE) if parent else _NEW_TRACE
        links = [Link(linked)] if linked is not None and linked.is_valid else []
        return MadeSpan(self._tracer.start_span(name, context, SpanKind[kind.upper()], attributes, links))

    def below(self, name: str, kind: str, parent: MadeSpan, attributes: _Attributes | None) -> MadeSpan:
        """Return a span below `parent`."""
        context = set_span_in_context(parent.span, _NEW_TRACE)
        return MadeSpan(self._tracer.start_span(name, context, SpanKind[kind.upper()], attributes))

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
