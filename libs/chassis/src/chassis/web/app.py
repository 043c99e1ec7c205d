"""What all Flask applications of ours have: request ids, problem documents, health checks, one log line per request."""

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus

import structlog
from flask import Flask, Response, g, jsonify, request

from chassis import errors, health, idempotency, request_ids
from chassis.health import Checks
from chassis.web import bodies, etags, problems
from chassis.web.json_provider import JsonProvider
from chassis.web.metrics import IN_PROGRESS, REQUESTS

log = structlog.get_logger(__name__)

MAX_BODY_BYTES = 64 * 1024
# Set in the environment of a request whose line and sample come from the middleware that answers it.
NOTED_ELSEWHERE = "imghost.noted-elsewhere"

COMMON_STATUSES: Mapping[type[Exception], int] = {
    bodies.MalformedBodyError: 400,
    idempotency.MalformedKeyError: 400,
    errors.TokenRefusedError: 401,
    errors.InsufficientScopeError: 403,
    idempotency.KeyInFlightError: 409,
    idempotency.SecretNotKeptError: 409,
    etags.StaleError: 412,
    bodies.UnsupportedMediaTypeError: 415,
    idempotency.KeyReusedError: 422,
    idempotency.TooManyKeysError: 429,
    errors.DependencyDownError: 503,
    errors.CallerGoneError: 503,
}


def base_flask(
    name: str,
    statuses: Mapping[type[Exception], int],
    own: Checks,
    shared: Checks,
    *,
    shown_path: Callable[[str], str] = str,
) -> Flask:
    """Return a Flask application with everything that ours have in common; the caller adds routes.

    `statuses` says which HTTP status answers which error of the service, beside `COMMON_STATUSES`. `shown_path` returns
    what problem documents may show of the path of a request.
    """
    app = Flask(name, static_folder=None)
    app.extensions["shown_path"] = shown_path
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False  # nothing is answered that no route declares
    app.json = JsonProvider(app)
    app.url_map.merge_slashes = False
    problems.install(app, {**COMMON_STATUSES, **statuses})
    show_health(app, own, shared)
    trace(app)
    return app


def trace(app: Flask) -> None:
    """Give every request of `app` an id, a line in the log and a sample in the metrics."""

    @app.before_request
    def begin() -> None:
        g.began = time.monotonic()
        IN_PROGRESS.inc()
        g.request_id = request_ids.adopt(request.headers.get(request_ids.HEADER))

    @app.after_request
    def end(answer: Response) -> Response:
        answer.headers[request_ids.HEADER] = g.request_id
        if answer.status_code == HTTPStatus.NO_CONTENT:
            answer.headers.pop("Content-Type", None)  # Flask sets it even if there is no body
        if NOTED_ELSEWHERE not in request.environ:
            route = request.url_rule.rule if request.url_rule else "none"
            note_request(request.method, route, answer.status_code, time.monotonic() - g.began)
        return answer

    @app.teardown_request
    def leave(_fault: BaseException | None) -> None:
        if "began" in g:
            IN_PROGRESS.dec()


def note_request(method: str, route: str, status: int, took_s: float) -> None:
    """Note a request that was answered: in the metrics, and in the log unless it was a health check."""
    # Clients may invent methods, and each new label of a metric takes memory until the process ends.
    REQUESTS.labels(method if route != "none" else "other", route, f"{status // 100}xx").observe(took_s)
    if route not in {"/healthz", "/readyz"}:
        log.info("request", method=method, route=route, status=status, ms=round(took_s * 1000, 1))


def show_health(app: Flask, own: Checks, shared: Checks) -> None:
    """Add /healthz and /readyz to `app`."""

    @app.get("/healthz", provide_automatic_options=False)
    def healthz() -> Response:
        return jsonify(status="ok")

    @app.get("/readyz", provide_automatic_options=False)
    def readyz() -> tuple[Response, int]:
        ready, document = health.examine(own, shared)
        return jsonify(document), 200 if ready else 503
