"""Refusals before the application begins: while it has more work than it can do, a refusal must cost next to nothing.

The reference for shedding what would only wait is Google's Site Reliability Engineering, "Handling Overload".
"""

import json
import re
import time
from collections.abc import Iterable
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog

from chassis import request_ids
from chassis.web.problems import CONTENT_TYPE, RETRY_AFTER_S, type_of
from gateway import api_keys, browsers, metrics, prefixes
from gateway.door.client import Client
from gateway.door.header_limits import LONGEST_FIELD
from gateway.door.turns import GO_FIRST
from gateway.errors import GatewayError, OverloadedError, PasswordsBusyError
from gateway.password_checks import PasswordChecks
from gateway.progress import Progress
from gateway.services import Services
from gateway.table import OEMBED, PAGE_FOLDERS, PAGES, ROUTES, Service
from gateway.web.public import PUBLIC_PREFIXES, SHOWN_TO_ALL

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = structlog.get_logger(__name__)

_LOG_EVERY_S = 1.0
_STATUS = f"{HTTPStatus.SERVICE_UNAVAILABLE.value} {HTTPStatus.SERVICE_UNAVAILABLE.phrase}"
# Every byte of it can match in one way only: a client that chooses them must not choose how long matching takes.
_PLAIN_GET = re.compile(
    rb"GET (?P<path>/[!->@-~]*)(?:\?[!-~]*)? HTTP/1\.1\r\n(?P<headers>(?:[^\r\n]+\r\n)*[^\r\n]+)\r\n\r\n"
)
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Headers that make a request more than one head that is answered on a connection that stays.
_NOT_PLAIN = frozenset({b"connection", b"content-length", b"expect", b"transfer-encoding", b"upgrade"})


def _services_by_prefix() -> dict[str, frozenset[Service]]:
    """Return which services answer below which beginning of a path, as `/api/images`, or `/i/` for pages."""
    found: dict[str, frozenset[Service]] = {}
    for route in (*ROUTES, *PAGES, OEMBED):
        needed: set[Service] = {route.service} if route.public else {route.service, "auth"}
        found[_prefix(route.rule)] = frozenset(needed)
    return found


def _prefix(path: str) -> str:
    if path.startswith(PAGE_FOLDERS):
        return path[:3]
    return "/".join(path.split("/", 3)[:3])


class Admission:
    """WSGI middleware that refuses what could only wait: too many requests in progress, or too many passwords."""

    def __init__(
        self,
        app: "WSGIApplication",
        progress: Progress,
        services: Services,
        checks: PasswordChecks,
        *,
        sources_are_peers: bool,
    ) -> None:
        """Make it for `app`; `sources_are_peers` if no trusted proxy tells where requests come from."""
        self._app = app
        self._sources_are_peers = sources_are_peers
        self._progress = progress
        self._services = services
        self._checks = checks
        self._needed = _services_by_prefix()
        self._refused = 0
        self._logged = 0.0

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Pass the request on to the application, or refuse it."""
        path, source = environ["PATH_INFO"], environ["REMOTE_ADDR"]
        client = environ.get("gunicorn.socket")  # tests without a server have none
        late = isinstance(client, Client) and not client.has_turn
        has_waited = self._sources_are_peers and isinstance(client, Client) and client.has_waited
        authorization = environ.get("HTTP_AUTHORIZATION")
        fault = OverloadedError() if late else self._fault(path, authorization, source, has_waited=has_waited)
        if fault is None and not self._needed.get(_prefix(path)):
            return self._app(environ, start_response)
        if fault is None:
            with self._progress.request(source):
                return self._app(environ, start_response)
        # The connection of a proxy has the requests of many.
        if isinstance(client, Client) and self._sources_are_peers:
            client.note_refusal(partial(self._again, client, source))
        _count(fault, late=late)
        headers, body = self._refuse(fault, path, environ.get("HTTP_X_REQUEST_ID"), prefixes.of(environ))
        start_response(_STATUS, headers)
        return [body] if environ["REQUEST_METHOD"] != "HEAD" else []

    def _again(self, client: Client, source: str, sent: bytes) -> bytes | None:
        """Return the answer if `sent` is one more GET to be refused; None if it takes more to find out.

        Refused clients often try again at once, as fast as they can.
        """
        match = _PLAIN_GET.fullmatch(sent) if len(sent) <= LONGEST_FIELD else None
        if match is None:
            return None
        lines = [line.partition(b":") for line in match["headers"].split(b"\r\n")]
        fields = {name.lower(): value.strip(b" \t") for name, _, value in lines}
        if len(fields) < len(lines) or b"host" not in fields or not _NOT_PLAIN.isdisjoint(fields):
            return None
        if not all(map(_TOKEN.fullmatch, fields)):
            return None
        path, authorization = match["path"].decode("latin-1"), fields.get(b"authorization", b"").decode("latin-1")
        late = client.turns_are_taken and path not in GO_FIRST
        fault = OverloadedError() if late else self._fault(path, authorization, source)
        if fault is None:
            return None
        _count(fault, late=late)
        headers, body = self._refuse(fault, path, fields.get(b"x-request-id", b"").decode("latin-1"))
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        return f"HTTP/1.1 {_STATUS}\r\n{head}\r\n".encode("latin-1") + body

    def is_hopeless(self, path: str, source: str) -> bool:
        """Return whether a request for `path` would be refused after it has waited for its turn."""
        return self._sources_are_peers and self._is_too_much(self._needed_for(path), source, has_waited=False)

    def _needed_for(self, path: str) -> frozenset[Service]:
        return self._needed.get(_prefix(path), frozenset())

    def _is_too_much(self, needed: frozenset[Service], source: str, *, has_waited: bool) -> bool:
        busy = any(self._services.are_busy(service) for service in needed)
        return bool(needed) and self._progress.is_full_for(source, busy=busy, has_waited=has_waited)

    def _fault(
        self, path: str, authorization: str | None, source: str, *, has_waited: bool = False
    ) -> GatewayError | None:
        needed = self._needed_for(path)
        if self._is_too_much(needed, source, has_waited=has_waited):
            return OverloadedError()
        if "auth" not in needed or not authorization:
            return None
        return PasswordsBusyError() if self._checks.is_hopeless(authorization, source) else None

    def _refuse(
        self, fault: GatewayError, path: str, request_id: str | None, prefix: str = ""
    ) -> tuple[list[tuple[str, str]], bytes]:
        """Return headers and body of the refusal because of `fault`; `prefix` goes before the addresses in it."""
        self._log(fault)
        request_id = request_ids.adopt(request_id)
        document = {
            "type": prefix + type_of(fault.code),
            "title": HTTPStatus.SERVICE_UNAVAILABLE.phrase,
            "status": HTTPStatus.SERVICE_UNAVAILABLE.value,
            "detail": str(fault),
            "instance": prefix + api_keys.hide(path),
            "code": fault.code,
            "request_id": request_id,
        }
        body = json.dumps(document).encode()
        headers = [
            ("Content-Type", CONTENT_TYPE),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("Retry-After", str(RETRY_AFTER_S)),
            *browsers.HEADERS.items(),
            (request_ids.HEADER, request_id),
        ]
        if path.startswith(PUBLIC_PREFIXES):
            headers += [("Access-Control-Allow-Origin", "*"), ("Access-Control-Expose-Headers", SHOWN_TO_ALL)]
        return headers, body

    def _log(self, fault: GatewayError) -> None:
        """Log how many were refused, once in a while: a line for each would be work that there is no time for."""
        self._refused += 1
        if time.monotonic() - self._logged >= _LOG_EVERY_S:
            log.warning("requests refused", count=self._refused, reason=str(fault))
            self._refused, self._logged = 0, time.monotonic()


def _count(fault: GatewayError, *, late: bool) -> None:
    if late:
        metrics.NO_TURN.inc()
    elif isinstance(fault, PasswordsBusyError):
        metrics.PASSWORDS.inc()
    else:
        metrics.PROGRESS.inc()
