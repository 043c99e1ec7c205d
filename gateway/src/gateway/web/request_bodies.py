"""Request bodies: read by the gateway as a whole, up to a size and for a time, before a service is called."""

import gevent
from flask import Request
from gunicorn.http.errors import ParseException

from chassis.web.app import MAX_BODY_BYTES
from gateway.errors import BodyCutShortError, BodyTooLargeError, BodyTooSlowError


def read(request: Request, timeout_s: float) -> bytes:
    """Return the body of `request`. Raise `BodyTooLargeError`, `BodyTooSlowError` or `BodyCutShortError`.

    It is read from the WSGI server's stream: Flask, with its limit, would cut a chunked body and treat it as whole.
    """
    announced = request.content_length
    if announced is not None and announced > MAX_BODY_BYTES:
        raise BodyTooLargeError(MAX_BODY_BYTES)
    if announced is None and "Transfer-Encoding" not in request.headers:
        return b""
    try:
        with gevent.Timeout(timeout_s, BodyTooSlowError()):
            body: bytes = request.environ["wsgi.input"].read(MAX_BODY_BYTES + 1)
    except (OSError, ParseException):
        raise BodyCutShortError from None
    if len(body) > MAX_BODY_BYTES:
        raise BodyTooLargeError(MAX_BODY_BYTES)
    if announced is not None and len(body) < announced:
        raise BodyCutShortError
    return body
