"""Connections that have just come: a few of them begin in each round of the event loop, and health checks at once.

Accepting a connection takes a tenth of the work of its first request: of thousands that come at the same moment, the
one that watches this process is found soon.
"""

import socket
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import Any

import gevent
from gevent.server import StreamServer

from chassis.listening import BACKLOG
from gateway.door.turns import EACH_ROUND, FIRST_AT_ONCE, LONGEST_HEALTH_CHECK, is_health_check

AT_ONCE = 8
MOST_WAITING = 4096
# If more were accepted in a round, there are more to come, of which one may be a health check: only one begins then.
_MANY = 32

_READABLE = 1  # of libev's events


class Listener(StreamServer):  # type: ignore[misc] # gevent has no types
    """Calls `handle` with each connection to the listening socket `sock`, and its address, in a greenlet of its own.

    At most `most_waiting` are accepted beforehand.
    """

    def __init__(self, sock: socket.socket, handle: Callable[..., None], most_waiting: int = MOST_WAITING) -> None:
        super().__init__(sock, handle=handle)
        self._most_waiting = most_waiting
        # Each with its address, and what waits for its first byte unless that is here; a dictionary keeps the order.
        self._waiting: dict[Any, tuple[Any, Any]] = {}
        self._begun = self._begun_first = self._accepted = 0  # in this round
        self._rounds = gevent.get_hub().loop.idle(priority=EACH_ROUND)

    def do_read(self) -> tuple[Any, Any] | None:
        """Accept a connection, unless too many wait already: the others wait in the kernel."""
        accepted: tuple[Any, Any] | None = super().do_read() if len(self._waiting) < self._most_waiting else None
        return accepted

    def do_handle(self, sock: Any, address: Any) -> None:
        """Begin with a connection that was accepted, or have it wait for another round."""
        self._rounds.start(self._begin_round)
        self._accepted += 1
        sent = _sent(sock)
        if sent is None:
            sock.close()
            return
        goes_first = self._goes_first(sent)
        if goes_first or (not self._waiting and self._begun < AT_ONCE):
            self._begun += 1
            super().do_handle(sock, address)
            return
        first_byte = None
        if not sent:
            first_byte = gevent.get_hub().loop.io(sock.fileno(), _READABLE)
            first_byte.start(self._look_again, sock)
        self._waiting[sock] = address, first_byte

    def close_after_all(self) -> None:
        """Begin with all who wait, in the kernel as well, who would be cut off; then stop to listen.

        Those who come meanwhile could be without end: no more are accepted than can have waited in the kernel.
        """
        self.stop_accepting()
        self._begin_first(len(self._waiting))
        with suppress(OSError):
            for _ in range(BACKLOG):
                accepted = super().do_read()
                if accepted is None:
                    break
                super().do_handle(*accepted)
        self.close()

    def _look_again(self, sock: Any) -> None:
        """Begin with the connection `sock`, whose first byte has come, if that is of a health check.

        Close it if it has ended instead.
        """
        address, first_byte = self._waiting[sock]
        first_byte.close()
        self._waiting[sock] = address, None
        sent = _sent(sock)
        if sent is None:
            del self._waiting[sock]
            sock.close()
        elif self._goes_first(sent):
            del self._waiting[sock]
            super().do_handle(sock, address)

    def _goes_first(self, sent: bytes) -> bool:
        """Return whether a connection begins at once, as a health check, of which only a few do in each round."""
        goes_first = is_health_check(sent) and self._begun_first < FIRST_AT_ONCE
        self._begun_first += goes_first
        return goes_first

    def _begin_round(self) -> None:
        self._begun = min(1 if self._accepted > _MANY else AT_ONCE, len(self._waiting))
        self._accepted = self._begun_first = 0
        self._begin_first(self._begun)
        if not self._begun:
            self._rounds.stop()

    def _begin_first(self, count: int) -> None:
        for sock in list(islice(self._waiting, count)):
            address, first_byte = self._waiting.pop(sock)
            if first_byte is not None:
                first_byte.close()
            super().do_handle(sock, address)


def _sent(sock: Any) -> bytes | None:
    """Return the first bytes that the client has sent, empty if nothing has come yet, None if it has ended."""
    sock.settimeout(0.0)
    try:
        return sock.recv(LONGEST_HEALTH_CHECK + 1, socket.MSG_PEEK) or None
    except BlockingIOError:
        return b""
    except OSError:
        return None
