"""The operations port: /metrics, /healthz and /readyz of a process, which its public port does not serve."""

import json
import socket
import threading
from collections.abc import Iterable
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import REGISTRY, CollectorRegistry, disable_created_metrics, make_wsgi_app
from prometheus_client.multiprocess import MultiProcessCollector

from chassis import health, shared_metrics
from chassis.health import Checks
from chassis.listening import listen

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class _Server(ThreadingMixIn, WSGIServer):
    """A server on a socket that listens already, of IPv4 or IPv6."""

    daemon_threads = True

    def __init__(self, listening: socket.socket) -> None:
        host, port, *_ = listening.getsockname()
        super().__init__((host, port), _QuietHandler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.server_name, self.server_port = host, port
        self.setup_environ()


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, *_args: object) -> None:
        """Log nothing: scrapes and probes come every few seconds."""


def registry() -> CollectorRegistry:
    """Return the registry of this process, or of all web processes if they share their metrics."""
    if not shared_metrics.are_shared():
        return REGISTRY
    shared = CollectorRegistry()
    MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
    return shared


def serve(host: str, port: int, own: Checks, shared: Checks) -> None:
    """Serve the operations port on a thread of its own until the process ends; with `port` 0 do nothing."""
    if not port:
        return
    disable_created_metrics()  # type: ignore[no-untyped-call] # twice as many series, which nobody asks for
    metrics = make_wsgi_app(registry())

    def route(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        match environ["PATH_INFO"]:
            case "/metrics":
                return list(metrics(environ, start_response))
            case "/healthz":
                return answer(start_response, "200 OK", {"status": "ok"})
            case "/readyz":
                ready, document = health.examine(own, shared)
                return answer(start_response, "200 OK" if ready else "503 Service Unavailable", document)
            case _:
                return answer(start_response, "404 Not Found", {"status": "not found"})

    def answer(start_response: "StartResponse", status: str, document: dict[str, object]) -> list[bytes]:
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(document).encode()]

    server = _Server(listen(host, port))
    server.set_app(route)
    threading.Thread(target=server.serve_forever, name="ops", daemon=True).start()
