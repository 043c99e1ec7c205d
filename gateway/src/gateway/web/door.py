"""The worker class of the public door: greenlets, so that slow clients hold nobody up; refusals as problems."""

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


# Of all headers together: the services behind get some of them joined, and are not asked to bear more.
LONGEST_HEADERS = 16 * 1024


class DoorWorker(GeventWorker):
    """Answers what is not HTTP, or too long to be read, with a problem document instead of a page."""

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> bool:
        """Answer a request, unless its headers are too long; read a little of a body that was not read.

        So the client sees the answer; gunicorn itself would read all of it, whatever its length and however slowly.
        """
        if sum(len(name) + len(value) for name, value in req.headers) > LONGEST_HEADERS:
            raise errors.LimitRequestHeaders("limit request headers size")
        goes_on = super().handle_request(listener_name, req, sock, addr)
        if not _drained(req.body):
            raise StopIteration  # gunicorn's way to end a connection
        return goes_on

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:  # noqa: ARG002 - gunicorn's
        """Refuse a request that never reached the application, and end the connection."""
        kinds = (STATUSES[kind] for kind in type(exc).__mro__ if kind in STATUSES)
        status = next(kinds, HTTPStatus.INTERNAL_SERVER_ERROR)
        if status is HTTPStatus.INTERNAL_SERVER_ERROR:
            self.log.error("request failed outside of the application", exc_info=exc)
        code = status.phrase.lower().replace(" ", "-").replace("request-uri", "uri")
        request_id = str(uuid.uuid4())  # the client's own was not read
        document = {
            "type": "about:blank",
            "title": status.phrase,
            "status": status.value,
            "detail": status.description or "The request cannot be read.",
            "instance": "/",  # nor was its path
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
    """Read what is left of BODY, within bounds; tell whether that was all."""
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
