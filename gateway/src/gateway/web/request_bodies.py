"""Request bodies: read by the gateway as a whole, up to a size and for a time, before a service is called."""

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import gevent
from flask import Request
from gunicorn.http.errors import ParseException

from chassis.web import bodies
from chassis.web.app import MAX_BODY_BYTES
from gateway.errors import BodyCutShortError, BodyTooLargeError, BodyTooSlowError
from gateway.room import Room

_PART = 64 * 1024


@dataclass(frozen=True)
class Patience:
    """How long a client may take for a body, and for each 64 KiB of it, in seconds."""

    whole_s: float
    part_s: float


def read(request: Request, timeout_s: float) -> bytes:
    """Return the body of `request`. Raise `BodyTooLargeError`, `BodyTooSlowError` or `BodyCutShortError`."""
    return b"".join(parts(request, Patience(timeout_s, timeout_s), MAX_BODY_BYTES))


@contextmanager
def reading(request: Request, timeout_s: float, most: int, room: Room, user_id: str) -> Iterator[bytes]:
    """Yield the body of `request`, of up to `most` bytes, which has its place in `room` until the block ends.

    Raise what `read` raises, or `OverloadedError` if there is no room.
    """
    body = bytearray()
    try:
        # Closed at once, with the time limit in it, whatever is raised.
        with closing(parts(request, Patience(timeout_s, timeout_s), most)) as found:
            for part in found:
                room.take(user_id, len(part))
                body += part
        yield bytes(body)
    finally:
        room.give_back(user_id, len(body))


def require_size(request: Request, most: int) -> None:
    """Raise `BodyTooLargeError` if `request` announces a body of more than `most` bytes."""
    if request.content_length is not None and request.content_length > most:
        raise BodyTooLargeError(most)


def parts(request: Request, patience: Patience, most: int) -> Generator[bytes]:
    """Yield the body of `request` in parts of up to 64 KiB. Raise what `read` raises.

    It is read from the WSGI server's stream: Flask, with its limit, would cut a chunked body and treat it as whole.
    """
    require_size(request, most)
    announced, size = request.content_length, 0
    if announced is None and "Transfer-Encoding" not in request.headers:
        return
    body = request.environ["wsgi.input"]
    try:
        with gevent.Timeout(patience.whole_s, BodyTooSlowError()):
            while True:
                with gevent.Timeout(patience.part_s, BodyTooSlowError()):
                    part = body.read(min(_PART, most + 1 - size))
                if not part:
                    break
                size += len(part)
                if size > most:
                    raise BodyTooLargeError(most)
                yield part
    except (OSError, ParseException):
        raise BodyCutShortError from None
    if announced is not None and size < announced:
        raise BodyCutShortError


def count_items(request: Request, body: bytes, name: str | None) -> int:
    """Return how many items the list `name` in `body` has; 1 if it has none, whatever it is: the service refuses it."""
    if name is None:
        return 1
    try:
        items = bodies.parse(request, body).get(name)
    except bodies.BodyError:
        return 1
    return max(1, len(items)) if isinstance(items, list) else 1
