"""The gunicorn worker of the gateway: greenlets, so that slow clients do not block others, and problem documents.

Gunicorn answers a request that it cannot parse with an HTML page; the documented API promises a problem document.
"""

import json
import uuid
from http import HTTPStatus
from typing import Any

import gevent
from gunicorn import util
from gunicorn.http import errors
from gunicorn.workers.ggevent import GeventWorker

from chassis.web.problems import CONTENT_TYPE

MAX_DRAINED_BYTES = 256 * 1024
DRAIN_TIMEOUT_S = 2.0

STATUSES: dict[type[Exception], HTTPStatus] = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    errors.UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
    errors.InvalidResponseHeader: HTTPStatus.INTERNAL_SERVER_ERROR,  # type: ignore[attr-defined] # newer than its stubs
    errors.ParseException: HTTPStatus.BAD_REQUEST,
}

# Limit of all headers together, since gunicorn limits each of them only; so what the services get is limited too.
LONGEST_HEADERS = 16 * 1024


class DoorWorker(GeventWorker):
    """Answers a request that is not HTTP, or whose headers are too long, with a problem document."""

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> bool:
        """Answer a request, unless its headers are too long; then read a little of the body if nobody has read it.

        A client that is still sending sees the answer only if somebody reads on. Gunicorn itself would read the whole
        body, however long it is and however slowly it comes.
        """
        if sum(len(name) + len(value) for name, value in req.headers) > LONGEST_HEADERS:
            raise errors.LimitRequestHeaders("limit request headers size")
        goes_on = super().handle_request(listener_name, req, sock, addr)
        if not _drained(req.body):
            raise StopIteration  # gunicorn's way to end a connection
        return goes_on

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:  # noqa: ARG002 - gunicorn's
        """Answer a request that never reached the application with a problem document, and end the connection."""
        kinds = (STATUSES[kind] for kind in type(exc).__mro__ if kind in STATUSES)
        status = next(kinds, HTTPStatus.INTERNAL_SERVER_ERROR)
        if status is HTTPStatus.INTERNAL_SERVER_ERROR:
            self.log.error("request failed outside of the application", exc_info=exc)
        code = status.phrase.lower().replace(" ", "-").replace("request-uri", "uri")
        request_id = str(uuid.uuid4())  # the client's id was not parsed
        document = {
            "type": "about:blank",
            "title": status.phrase,
            "status": status.value,
            "detail": status.description or "The request cannot be read.",
            "instance": "/",  # nor was the path
            "code": "malformed-request" if status is HTTPStatus.BAD_REQUEST else code,
            "request_id": request_id,
        }
        body = json.dumps(document).encode()
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\n"
            f"Cache-Control: no-store\r\nX-Request-ID: {request_id}\r\n"
            f"Content-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            util.write_nonblock(client, head.encode() + body)
        except OSError:
            self.log.debug("the client is gone")


def _drained(body: Any) -> bool:
    """Read the rest of `body`, up to a size and for a time; return True if that was all of it."""
    left = MAX_DRAINED_BYTES
    try:
        with gevent.Timeout(DRAIN_TIMEOUT_S, False):
            while left > 0:
                chunk = body.read(min(left, 8192))
                if not chunk:
                    return True
                left -= len(chunk)
    except (OSError, errors.ParseException):
        return False
    return False
