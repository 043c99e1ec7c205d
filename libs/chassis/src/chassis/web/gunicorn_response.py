"""Gunicorn's answers, the head of each sent together with the first part of its body.

Gunicorn sends one after the other, in two packets, and whoever waits for the answer is woken for each. With a small
answer that takes longer than all else of sending it.
"""

from typing import Any

from gunicorn.http import wsgi

# A larger part of a body is not copied to stand behind the head.
MOST_TOGETHER = 64 * 1024


class Response(wsgi.Response):
    """An answer of an application, sent in as few parts as it has."""

    def write(self, arg: bytes) -> None:
        """Send a part of the body, after the head if that was not sent. Raise `TypeError` if it is no bytes."""
        if self.headers_sent or len(arg) > MOST_TOGETHER:
            super().write(arg)
            return
        sock: Any = self.sock
        collected: Any = _Collected()
        self.sock = collected
        try:
            super().write(arg)
        finally:
            self.sock = sock
        sock.sendall(collected.data)


class _Collected:
    """What would be sent."""

    def __init__(self) -> None:
        self.data = b""

    def sendall(self, data: bytes) -> None:
        self.data += data


def install() -> None:
    """Have gunicorn's workers answer with these in this process; they have no setting for it."""
    wsgi.Response = Response  # type: ignore[misc] # takes its place
