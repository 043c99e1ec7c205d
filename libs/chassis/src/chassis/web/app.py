"""What all Flask applications of ours have: problem documents, health checks, and what can be seen from outside."""

from collections.abc import Callable, Mapping
from http import HTTPStatus

from flask import Flask, Response, jsonify

from chassis import errors, health, idempotency
from chassis.health import Checks
from chassis.web import bodies, etags, observation, problems
from chassis.web.json_provider import JsonProvider

MAX_BODY_BYTES = 64 * 1024
# Of a request for many changes at once.
MAX_BATCH_BYTES = 1024 * 1024

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


def base_flask(  # noqa: PLR0913 - each has a default
    name: str,
    statuses: Mapping[type[Exception], int],
    own: Checks,
    shared: Checks,
    *,
    shown_path: Callable[[str], str] = str,
    is_public: bool = False,
    continues_traces: bool = True,
) -> Flask:
    """Return a Flask application with everything that ours have in common; the caller adds routes.

    `statuses` says which HTTP status answers which error of the service, beside `COMMON_STATUSES`. `shown_path` returns
    what problem documents may show of the path of a request. The other arguments are those of `observation.observe`.
    """
    app = Flask(name, static_folder=None)
    app.extensions["shown_path"] = shown_path
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False  # nothing is answered that no route declares
    app.json = JsonProvider(app)
    app.url_map.merge_slashes = False
    problems.install(app, {**COMMON_STATUSES, **statuses})
    show_health(app, own, shared)
    observation.observe(app, is_public=is_public, continues_traces=continues_traces)
    app.after_request(_without_type_of_nothing)
    return app


def _without_type_of_nothing(answer: Response) -> Response:
    if answer.status_code == HTTPStatus.NO_CONTENT:
        answer.headers.pop("Content-Type", None)  # Flask sets it even if there is no body
    return answer


def show_health(app: Flask, own: Checks, shared: Checks) -> None:
    """Add /healthz and /readyz to `app`."""

    @app.get("/healthz", provide_automatic_options=False)
    def healthz() -> Response:
        return jsonify(status="ok")

    @app.get("/readyz", provide_automatic_options=False)
    def readyz() -> tuple[Response, int]:
        ready, document = health.examine(own, shared)
        return jsonify(document), 200 if ready else 503
