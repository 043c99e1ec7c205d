"""Request bodies at the public door: counted while they are read, and not waited for longer than a while."""

import gevent
from flask import Request
from gunicorn.http.errors import ParseException

from chassis.web.app import MAX_BODY_BYTES
from gateway.errors import BodyCutShortError, BodyTooLargeError, BodyTooSlowError


def read(request: Request, timeout_s: float) -> bytes:
    """Read the body of REQUEST; raises BodyTooLargeError, BodyTooSlowError or BodyCutShortError.

    The stream is read below Flask: with a limit set, Flask cuts a chunked body and goes on as if it were whole.
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
