"""Connections that have just come: a few of them begin in each round of the event loop, and health checks at once.

Accepting a connection takes a tenth of the work of its first request: of thousands that come at the same moment, the
one that watches this process is found soon.

Of a few that come at the same moment, each process is to get its share, as they may stay for long: an nginx in front
keeps its connections. So a process accepts one, and after a pause, in which others may have got the processor, twice as
many each time, as long as there are more.
"""

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gevent
from gevent.server import StreamServer

from chassis.listening import BACKLOG
from chassis.networks import network_of
from gateway import metrics
from gateway.door import refusals
from gateway.door.newcomers import Newcomer, Newcomers
from gateway.door.turns import EACH_ROUND, FIRST_AT_ONCE, LONGEST_HEALTH_CHECK, is_health_check

AT_ONCE = 8
MOST_ACCEPTED = 128  # before a pause
PAUSE_S = 0.002
MOST_WAITING = 4096
# If more may be accepted at once, there are more to come, of which one may be a health check: only one begins then.
_MANY = 32

_READABLE = 1  # of libev's events
_MOST_UNREAD = 64 * 1024


class Listener(StreamServer):  # type: ignore[misc] # gevent has no types
    """Calls `handle` with each connection to the listening socket `sock`, and its address, in a greenlet of its own.

    At most `most_waiting` are accepted beforehand, `most_per_source` of one address. If there are more, the one that
    has been silent for longest gives way.
    """

    def __init__(
        self,
        sock: socket.socket,
        handle: Callable[..., None],
        most_waiting: int = MOST_WAITING,
        most_per_source: int = MOST_WAITING,
    ) -> None:
        super().__init__(sock, handle=handle)
        self.max_accept = 1  # before the next pause
        self._pause = gevent.get_hub().loop.timer(PAUSE_S)
        self._waiting = Newcomers(most_waiting, most_per_source)
        self._begun = self._begun_first = self._accepted = 0  # in this round
        self._rounds = gevent.get_hub().loop.idle(priority=EACH_ROUND)

    def do_read(self) -> tuple[Any, Any] | None:
        """Accept a connection, unless too many wait already: the others wait in the kernel."""
        if self._waiting.is_full and not self._hang_up_on_idlest():
            return None
        accepted: tuple[Any, Any] | None = super().do_read()
        return accepted

    def do_handle(self, sock: Any, address: Any) -> None:
        """Begin with a connection that was accepted, or have it wait for another round."""
        self._rounds.start(self._begin_round)
        self._accepted += 1
        sent = _sent(sock)
        if sent is None:
            sock.close()
        elif self._begins_at_once(sent):
            super().do_handle(sock, address)
        else:
            self._have_wait(Newcomer(sock, address, network_of(address[0])), has_sent=bool(sent))

    def close_after_all(self) -> None:
        """Begin with all who wait, in the kernel as well, who would be cut off; then stop to listen.

        Those who come meanwhile could be without end: no more are accepted than can have waited in the kernel.
        """
        self.stop_accepting()
        self._begin_next(len(self._waiting))
        with suppress(OSError):
            for _ in range(BACKLOG):
                accepted = super().do_read()
                if accepted is None:
                    break
                super().do_handle(*accepted)
        self.close()

    def _have_wait(self, newcomer: Newcomer, *, has_sent: bool) -> None:
        if self._waiting.is_full_for(newcomer.source) and not self._hang_up_on_idlest(newcomer.source):
            metrics.NO_CONNECTION.inc()
            _refuse(newcomer.sock)
            return
        if not has_sent:
            newcomer.first_byte = gevent.get_hub().loop.io(newcomer.sock.fileno(), _READABLE)
            newcomer.first_byte.start(self._look_again, newcomer)
        self._waiting.join(newcomer, has_sent=has_sent)

    def _hang_up_on_idlest(self, source: str | None = None) -> bool:
        idlest = self._waiting.take_idlest(source)
        if idlest is None:
            return False
        metrics.DROPPED.inc()
        idlest.stop_watching()
        idlest.sock.close()
        return True

    def _look_again(self, newcomer: Newcomer) -> None:
        """Begin with `newcomer`, whose first byte has come, or have it wait in line; close it if it has ended."""
        newcomer.stop_watching()
        self._waiting.leave(newcomer)
        sent = _sent(newcomer.sock)
        if sent is None:
            newcomer.sock.close()
        elif self._begins_at_once(sent):
            super().do_handle(newcomer.sock, newcomer.address)
        else:
            self._waiting.join(newcomer, has_sent=True)

    def _begins_at_once(self, sent: bytes) -> bool:
        """Return whether a connection begins in this round, as a few health checks do, and others if nobody waits."""
        if is_health_check(sent) and self._begun_first < FIRST_AT_ONCE:
            self._begun_first += 1
        elif self._waiting.has_senders or self._begun >= AT_ONCE:
            return False
        self._begun += 1
        return True

    def _begin_round(self) -> None:
        if self._accepted:
            self._pause_accepting()
        self._begun = min(1 if self.max_accept > _MANY else AT_ONCE, len(self._waiting))
        self._accepted = self._begun_first = 0
        self._begin_next(self._begun)
        if not self._begun:
            self._rounds.stop()

    def _pause_accepting(self) -> None:
        self.max_accept = min(2 * self.max_accept, MOST_ACCEPTED) if self._accepted == self.max_accept else 1
        if self._watcher is not None:
            self._watcher.stop()
            self._pause.start(self._accept_again)

    def _accept_again(self) -> None:
        if self._watcher is not None:  # else it is to accept no more
            self._watcher.start(self._do_read)

    def _begin_next(self, count: int) -> None:
        for _ in range(count):
            newcomer = self._waiting.take_next()
            newcomer.stop_watching()
            super().do_handle(newcomer.sock, newcomer.address)


def _sent(sock: Any) -> bytes | None:
    """Return the first bytes that the client has sent, empty if nothing has come yet, None if it has ended."""
    sock.settimeout(0.0)
    try:
        return sock.recv(LONGEST_HEALTH_CHECK + 1, socket.MSG_PEEK) or None
    except BlockingIOError:
        return b""
    except OSError:
        return None


def _refuse(sock: Any) -> None:
    """Answer a client, and end its connection, at once.

    What it has sent is read first: else the kernel would reset the connection, and drop the answer with it.
    """
    with suppress(OSError):
        sock.recv(_MOST_UNREAD)
        sock.send(refusals.of_connection())
    sock.close()
