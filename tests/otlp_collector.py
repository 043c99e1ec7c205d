"""A collector of traces: it takes what OpenTelemetry sends by HTTP in Protobuf, and keeps the spans."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Span:
    """A span as it was sent. Times are in nanoseconds since 1970; `parent_id` is empty for the first of a trace."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    began: int
    ended: int
    attributes: dict[str, Any]
    events: tuple[str, ...]
    links: tuple[str, ...]


def decode(body: bytes) -> Iterator[Span]:
    """Yield the spans in the body of a request."""
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = {each.key: each.value.string_value for each in resource.resource.attributes}["service.name"]
        for scope in resource.scope_spans:
            for each in scope.spans:
                yield Span(
                    service,
                    each.name,
                    each.trace_id.hex(),
                    each.span_id.hex(),
                    each.parent_span_id.hex(),
                    each.start_time_unix_nano,
                    each.end_time_unix_nano,
                    {known.key: getattr(known.value, known.value.WhichOneof("value")) for known in each.attributes},
                    tuple(event.name for event in each.events),
                    tuple(link.trace_id.hex() for link in each.links),
                )


@dataclass
class Collector:
    """What was sent to the collector at `url`."""

    url: str
    _spans: list[Span] = field(default_factory=list)

    def take(self, spans: list[Span]) -> None:
        self._spans += spans

    def of(self, trace_id: str) -> list[Span]:
        """Return the spans of a trace that have come so far, in the order in which they began."""
        return sorted((span for span in self.all() if span.trace_id == trace_id), key=lambda span: span.began)

    def all(self) -> list[Span]:
        """Return all spans that have come so far."""
        return list(self._spans)


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.take(list(decode(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
