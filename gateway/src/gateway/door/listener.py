"""Connections that have just come: a few of them begin in each round of the event loop, and health checks at once.

Accepting a connection takes a tenth of the work of its first request: of thousands that come at the same moment, the
one that watches this process is found soon.
"""

import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gevent
from gevent.server import StreamServer

from gateway.door.turns import EACH_ROUND, HEALTH_CHECKS

AT_ONCE = 8
MOST_WAITING = 2048

_LONGEST = max(map(len, HEALTH_CHECKS))


class Listener(StreamServer):  # type: ignore[misc] # gevent has no types
    """Calls `handle` with each connection to the listening socket `sock`, and its address, in a greenlet of its own.

    At most `most_waiting` are accepted beforehand.
    """

    def __init__(self, sock: socket.socket, handle: Callable[..., None], most_waiting: int = MOST_WAITING) -> None:
        super().__init__(sock, handle=handle)
        self._most_waiting = most_waiting
        self._waiting: deque[tuple[Any, Any]] = deque()
        self._begun = 0  # in this round
        self._rounds = gevent.get_hub().loop.idle(priority=EACH_ROUND)

    def do_read(self) -> tuple[Any, Any] | None:
        """Accept a connection, unless too many wait already: the others wait in the kernel."""
        accepted: tuple[Any, Any] | None = super().do_read() if len(self._waiting) < self._most_waiting else None
        return accepted

    def do_handle(self, sock: Any, address: Any) -> None:
        """Begin with a connection that was accepted, or have it wait for another round."""
        self._rounds.start(self._begin_round)
        if (self._waiting or self._begun >= AT_ONCE) and not _is_health_check(sock):
            self._waiting.append((sock, address))
            return
        self._begun += 1
        super().do_handle(sock, address)

    def close_after_all(self) -> None:
        """Begin with all who wait, in the kernel as well, who would be cut off; then stop to listen."""
        self.stop_accepting()
        with suppress(OSError):
            while accepted := super().do_read():
                self._waiting.append(accepted)
        while self._waiting:
            super().do_handle(*self._waiting.popleft())
        self.close()

    def _begin_round(self) -> None:
        self._begun = min(AT_ONCE, len(self._waiting))
        for _ in range(self._begun):
            super().do_handle(*self._waiting.popleft())
        if not self._begun:
            self._rounds.stop()


def _is_health_check(sock: Any) -> bool:
    sock.settimeout(0.0)
    try:
        sent: bytes = sock.recv(_LONGEST, socket.MSG_PEEK)
    except OSError:  # nothing was sent yet
        return False
    return sent.startswith(HEALTH_CHECKS)
