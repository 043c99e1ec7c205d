"""What can be seen of every request from outside: its id, a line in the log, a sample in the metrics, and its trace."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
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
_NO_ROUTE = "none"
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
        IN_PROGRESS.inc()
        request_id = request_ids.adopt(request.headers.get(request_ids.HEADER))
        route = request.url_rule.rule if request.url_rule else _NO_ROUTE
        client = request.remote_addr if is_public else request.headers.get(SOURCE_HEADER)
        observed = g.observed = _Observed(time.monotonic(), request.method, route, client, request_id, stages.begin())
        if tracing.is_on() and route not in _PROBES:
            observed.span = _span(observed, continues_traces=continues_traces)

    @app.after_request
    def end(answer: Response) -> Response:
        observed: _Observed = g.observed
        answer.headers[request_ids.HEADER] = observed.request_id
        _tell(observed, answer.status_code, app.config[SLOW_REQUEST_S])
        return answer

    @app.teardown_request
    def leave(_fault: BaseException | None) -> None:
        observed: _Observed | None = g.get("observed")
        if observed is not None:
            IN_PROGRESS.dec()
            observed.span.end()


@dataclass
class _Observed:
    """A request that is being answered. `access` is what is known of the caller."""

    began: float
    method: str
    route: str
    client: str | None
    request_id: str
    spent: Mapping[str, float]
    span: Span = tracing.NOTHING
    access: dict[str, Any] = field(default_factory=dict)


def note_request(method: str, route: str, status: int, took_s: float, client: str | None, **access: Any) -> None:
    """Note a request that was answered: in the metrics, and in the log unless it was a health check."""
    # Clients may invent methods, and each new label of a metric takes memory until the process ends.
    REQUESTS.labels(method if route != _NO_ROUTE else "other", route, f"{status // 100}xx").observe(took_s)
    if route not in _PROBES:
        log.info("request", **_shown(method, route, status, took_s, client), **access)


def note_slow(  # noqa: PLR0913 - the parts of one line
    method: str,
    route: str,
    status: int,
    took_s: float,
    *,
    client: str | None,
    spent: Mapping[str, float],
    **access: Any,
) -> None:
    """Note in the log what a request that took long has waited for: `spent`, as `stages.begin` returns it."""
    shown = _shown(method, route, status, took_s, client)
    log.warning("slow request", **shown, **access, waited_ms=stages.in_ms(spent))


def note_caller(user_id: Any, key_id: Any) -> None:
    """Have the line of the current request say who sent it, and with which API key, None with the password."""
    g.observed.access = {"user_id": user_id, "key_id": key_id}


def took_s() -> float:
    """Return for how many seconds the current request has been worked on."""
    observed: _Observed = g.observed
    return time.monotonic() - observed.began


def _tell(observed: _Observed, status: int, slow_s: float) -> None:
    """Tell of an answer: its line and sample, unless somebody else does, and what a slow one has waited for."""
    took_s, method, route = time.monotonic() - observed.began, observed.method, observed.route
    if NOTED_ELSEWHERE not in request.environ:
        note_request(method, route, status, took_s, observed.client, **observed.access)
    if took_s >= slow_s and route not in _PROBES:
        note_slow(method, route, status, took_s, client=observed.client, spent=observed.spent, **observed.access)
    if observed.span.is_kept:
        observed.span.set("http.response.status_code", status)
        if status >= _SERVER_ERROR:
            observed.span.fail(str(status))


def _shown(method: str, route: str, status: int, took_s: float, client: str | None) -> dict[str, Any]:
    return {"method": method, "route": route, "status": status, "ms": round(took_s * 1000, 1), "client": client}


def _span(observed: _Observed, *, continues_traces: bool) -> Span:
    sent = request.headers.get(tracing.HEADER, "")
    method = observed.method if observed.route != _NO_ROUTE else "_OTHER"
    parent, link = (sent, "") if continues_traces else ("", sent)
    span = tracing.work(f"{method} {observed.route}", "server", parent=parent, link=link)
    if span.is_kept:
        # Neither the path nor the query: they may contain the secret of an API key, and keys of S3, which logs have.
        span.set("http.request.method", method)
        span.set("http.route", observed.route)
        span.set("imghost.request_id", observed.request_id)
        structlog.contextvars.bind_contextvars(trace_id=span.trace_id)  # some lines follow after the end of the span
    return span
