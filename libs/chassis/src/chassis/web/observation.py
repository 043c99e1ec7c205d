"""What can be seen of every request from outside: its id, a line in the log, a sample in the metrics, and its trace."""

import time
from typing import Any

import structlog
from flask import Flask, Response, g, request

from chassis import request_ids, settings, stages, tracing
from chassis.tracing import Span
from chassis.web.metrics import IN_PROGRESS, REQUESTS

log = structlog.get_logger(__name__)

# The address of the client, as the gateway tells it to the services.
SOURCE_HEADER = "X-Source"
# Set in the environment of a request whose line and sample come from the middleware that answers it.
NOTED_ELSEWHERE = "imghost.noted-elsewhere"
# The name of this setting in the configuration of an application.
SLOW_REQUEST_S = "SLOW_REQUEST_S"
_PROBES = {"/healthz", "/readyz"}
_SERVER_ERROR = 500


def observe(app: Flask, *, is_public: bool, continues_traces: bool) -> None:
    """Give every request of `app` an id, a line in the log, a sample in the metrics, and a span.

    Requests that take as long as the configured `SLOW_REQUEST_S` get another line, with what they waited for.
    `is_public` says that strangers send the requests, not the gateway. Unless it `continues_traces`, each begins a new
    trace, since whoever sets the flag in `traceparent` decides that a trace is kept; what was sent is only linked.
    """
    app.config.setdefault(SLOW_REQUEST_S, settings.SLOW_REQUEST_S)

    @app.before_request
    def begin() -> None:
        g.began, g.spent = time.monotonic(), stages.begin()
        IN_PROGRESS.inc()
        g.request_id = request_ids.adopt(request.headers.get(request_ids.HEADER))
        if tracing.is_on() and _route() not in _PROBES:
            g.span = _span(continues_traces=continues_traces)
            # Some lines follow after the end of the span.
            structlog.contextvars.bind_contextvars(trace_id=g.span.trace_id)

    @app.after_request
    def end(answer: Response) -> Response:
        answer.headers[request_ids.HEADER] = g.request_id
        took_s = time.monotonic() - g.began
        client = request.remote_addr if is_public else request.headers.get(SOURCE_HEADER)
        if NOTED_ELSEWHERE not in request.environ:
            note_request(request.method, _route(), answer.status_code, took_s, client, **g.get("access", {}))
        if took_s >= app.config[SLOW_REQUEST_S] and _route() not in _PROBES:
            shown = _shown(request.method, _route(), answer.status_code, took_s, client)
            log.warning("slow request", **shown, **g.get("access", {}), waited_ms=stages.in_ms(g.spent))
        if "span" in g:
            _show_status(g.span, answer.status_code)
        return answer

    @app.teardown_request
    def leave(_fault: BaseException | None) -> None:
        if "began" in g:
            IN_PROGRESS.dec()
        if "span" in g:
            g.span.end()


def note_request(method: str, route: str, status: int, took_s: float, client: str | None, **access: Any) -> None:
    """Note a request that was answered: in the metrics, and in the log unless it was a health check."""
    # Clients may invent methods, and each new label of a metric takes memory until the process ends.
    REQUESTS.labels(method if route != "none" else "other", route, f"{status // 100}xx").observe(took_s)
    if route not in _PROBES:
        log.info("request", **_shown(method, route, status, took_s, client), **access)


def note_caller(user_id: Any, key_id: Any) -> None:
    """Have the line of the current request say who sent it, and with which API key, None with the password."""
    g.access = {"user_id": user_id, "key_id": key_id}


def _shown(method: str, route: str, status: int, took_s: float, client: str | None) -> dict[str, Any]:
    return {"method": method, "route": route, "status": status, "ms": round(took_s * 1000, 1), "client": client}


def _show_status(span: Span, status: int) -> None:
    span.set("http.response.status_code", status)
    if status >= _SERVER_ERROR:
        span.fail(str(status))


def _route() -> str:
    return request.url_rule.rule if request.url_rule else "none"


def _span(*, continues_traces: bool) -> Span:
    sent = request.headers.get(tracing.HEADER, "")
    method = request.method if request.url_rule else "_OTHER"
    # Neither the path nor the query: they may contain the secret of an API key, and keys of S3, which log lines have.
    return tracing.work(
        f"{method} {_route()}",
        "server",
        parent=sent if continues_traces else "",
        link="" if continues_traces else sent,
        attributes={
            "http.request.method": method,
            "http.route": _route(),
            "imghost.request_id": request_ids.current(),
        },
    )
