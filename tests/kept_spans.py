"""The spans of this process, kept in memory instead of sent."""

from collections.abc import Callable, Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chassis import tracing
from chassis.opentelemetry_tracer import Tracer

Spans = Callable[[], dict[str, ReadableSpan]]


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    """Tracing is on; a function returns the spans that have ended, by name."""
    exporter = InMemorySpanExporter()
    tracer = Tracer("test", "1", exporter)
    monkeypatch.setattr(tracing, "_tracer", tracer)

    def ended() -> dict[str, ReadableSpan]:
        tracer.flush()
        return {span.name: span for span in exporter.get_finished_spans()}

    yield ended
    tracer.close()
