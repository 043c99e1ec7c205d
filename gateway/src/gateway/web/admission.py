"""Refusals before the application begins: while it has more work than it can do, a refusal must cost next to nothing.

The reference for shedding what would only wait is Google's Site Reliability Engineering, "Handling Overload".
"""

import json
import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog

from chassis import request_ids
from chassis.web.problems import CONTENT_TYPE, RETRY_AFTER_S
from gateway import api_keys, prefixes
from gateway.door.client import Client
from gateway.errors import GatewayError, OverloadedError, PasswordsBusyError
from gateway.password_checks import PasswordChecks
from gateway.services import Services
from gateway.table import ROUTES, Service

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = structlog.get_logger(__name__)

_LOG_EVERY_S = 1.0


def _services_by_prefix() -> dict[str, frozenset[Service]]:
    """Return which services answer below which of the first two segments of a path, as `/api/images`."""
    found: dict[str, frozenset[Service]] = {}
    for route in ROUTES:
        needed: set[Service] = {route.service} if route.public else {route.service, "auth"}
        found[_prefix(route.rule)] = frozenset(needed)
    return found


def _prefix(path: str) -> str:
    return "/".join(path.split("/", 3)[:3])


class Admission:
    """WSGI middleware that refuses what could only wait: too many requests in progress, or too many passwords."""

    def __init__(self, app: "WSGIApplication", services: Services, checks: PasswordChecks) -> None:
        self._app = app
        self._services = services
        self._checks = checks
        self._needed = _services_by_prefix()
        self._refused = 0
        self._logged = 0.0

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Pass the request on to the application, or refuse it."""
        fault = self._fault(environ)
        return self._app(environ, start_response) if fault is None else self._refuse(fault, environ, start_response)

    def _fault(self, environ: "WSGIEnvironment") -> GatewayError | None:
        needed = self._needed.get(_prefix(environ["PATH_INFO"]), frozenset())
        if any(self._services.are_busy(service) for service in needed):
            return OverloadedError()
        authorization = environ.get("HTTP_AUTHORIZATION")
        if "auth" not in needed or not authorization:
            return None
        return PasswordsBusyError() if self._checks.is_hopeless(authorization, environ["REMOTE_ADDR"]) else None

    def _refuse(
        self, fault: GatewayError, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        request_id = request_ids.adopt(environ.get("HTTP_X_REQUEST_ID"))
        self._log(fault)
        client = environ.get("gunicorn.socket")
        if isinstance(client, Client):  # not in tests without a server
            client.note_refusal()
        status = HTTPStatus.SERVICE_UNAVAILABLE
        document = {
            "type": "about:blank",
            "title": status.phrase,
            "status": status.value,
            "detail": str(fault),
            "instance": prefixes.of(environ) + api_keys.hide(environ["PATH_INFO"]),
            "code": fault.code,
            "request_id": request_id,
        }
        body = json.dumps(document).encode()
        headers = {
            "Content-Type": CONTENT_TYPE,
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "Retry-After": str(RETRY_AFTER_S),
            "X-Content-Type-Options": "nosniff",
            request_ids.HEADER: request_id,
        }
        if environ["PATH_INFO"].startswith(("/api/i/", "/api/c/")):
            headers["Access-Control-Allow-Origin"] = "*"
        start_response(f"{status.value} {status.phrase}", list(headers.items()))
        return [body] if environ["REQUEST_METHOD"] != "HEAD" else []

    def _log(self, fault: GatewayError) -> None:
        """Log how many were refused, once in a while: a line for each would be work that there is no time for."""
        self._refused += 1
        if time.monotonic() - self._logged >= _LOG_EVERY_S:
            log.warning("requests refused", count=self._refused, reason=str(fault))
            self._refused, self._logged = 0, time.monotonic()
