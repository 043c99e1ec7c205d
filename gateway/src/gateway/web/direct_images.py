"""Public images, answered without the application, which would take a quarter of the time of such an answer.

What cannot be shown is answered by the application: it is told what catalog has answered, and makes a problem of it.
"""

import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from chassis import request_ids, stages, tracing
from chassis.deadlines import Deadline
from chassis.errors import DependencyDownError
from chassis.web.metrics import IN_PROGRESS
from chassis.web.observation import SOURCE_HEADER, note_slow
from gateway import paths, prefixes
from gateway.errors import MalformedPathError
from gateway.services import Answer, Services
from gateway.settings import GatewaySettings
from gateway.single_images import SingleImages
from gateway.table import ROUTES
from gateway.web.public import PublicHeaders

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_IMAGE = ROUTES[0]
_BEGIN = _IMAGE.rule.partition("<")[0]
_RETURNED = ("Content-Type", "ETag")
_OUTCOME = "imghost.outcome"
_STATUSES: dict[int, str] = {
    status: f"{status.value} {status.phrase.upper()}" for status in (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED)
}


class DirectImages:
    """WSGI middleware that answers GET of public images."""

    def __init__(
        self, app: "WSGIApplication", services: Services, settings: GatewaySettings, headers: PublicHeaders
    ) -> None:
        self._app = app
        self._images = SingleImages(services, _IMAGE.target)
        self._settings = settings
        self._headers = headers

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer the request, or have the application answer it."""
        path = environ["PATH_INFO"]
        # The spans of a trace are those of the application.
        s3_key = _key(path) if environ["REQUEST_METHOD"] == "GET" and not tracing.is_on() else None
        if s3_key is None:
            return self._app(environ, start_response)
        began, spent = time.monotonic(), stages.begin()
        found: Answer | DependencyDownError
        IN_PROGRESS.inc()
        try:
            found = self._ask(s3_key, environ)
        except DependencyDownError as fault:
            found = fault
        finally:
            IN_PROGRESS.dec()
        took_s = time.monotonic() - began
        status = found.status if isinstance(found, Answer) else HTTPStatus.SERVICE_UNAVAILABLE
        if took_s >= self._settings.slow_request_s:
            note_slow("GET", _IMAGE.rule, status, took_s, client=environ.get("REMOTE_ADDR"), spent=spent)
        if isinstance(found, DependencyDownError) or status not in _STATUSES:
            environ[_OUTCOME] = found
            return self._app(environ, start_response)
        body = prefixes.add_to_body(found.body, prefixes.of(environ))
        start_response(_STATUSES[status], self._shown(path, found, took_s, len(body)))
        return [body]

    def _ask(self, s3_key: str, environ: "WSGIEnvironment") -> Answer:
        headers = {request_ids.HEADER: request_ids.current(), SOURCE_HEADER: environ.get("REMOTE_ADDR") or ""}
        if (known := environ.get("HTTP_IF_NONE_MATCH")) is not None:
            headers["If-None-Match"] = known.strip()
        deadline = Deadline.after(self._settings.deadline_s)
        return self._images.call(
            _IMAGE.service, "GET", _IMAGE.target, deadline, parameters=[("s3_key", s3_key)], headers=headers
        )

    def _shown(self, path: str, answer: Answer, took_s: float, size: int) -> list[tuple[str, str]]:
        headers = self._headers.of(path, answer.status, took_s)
        headers |= {name: answer.headers[name.lower()] for name in _RETURNED if name.lower() in answer.headers}
        if answer.status == HTTPStatus.OK:
            headers["Content-Length"] = str(size)
        if self._headers.vary:
            headers["Vary"] = self._headers.vary
        return list(headers.items())


def _key(path: str) -> str | None:
    """Return the S3 key in `path`, None if the application has to find out what that asks for."""
    raw = path.removeprefix(_BEGIN)
    if raw == path or not raw:
        return None
    try:
        return paths.decode(raw)
    except MalformedPathError:
        return None


def outcome(environ: "WSGIEnvironment") -> Answer | None:
    """Return what catalog has answered already to the request of `environ`, if it was asked.

    Raise `DependencyDownError` if it did not answer.
    """
    found: Answer | DependencyDownError | None = environ.get(_OUTCOME)
    if isinstance(found, DependencyDownError):
        raise found
    return found
