"""The connection of one client: every wait for the client ends, and everybody else gets a turn in between.

A client may be slow, but not silent: its first byte, the head of a request, the next request and each part of an answer
have to come, or be taken, in time. The idea of a least rate for taking an answer is Kestrel's.
"""

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import gevent
from gunicorn.http import errors

from gateway.door import header_limits
from gateway.door.connections import Connections
from gateway.door.turns import Turns, is_health_check

LONGEST_HEAD = header_limits.LONGEST_TOGETHER + header_limits.LONGEST_FIELD  # with the request line

_PART = 64 * 1024
_LEAST_RATE = 4 * 1024  # bytes a second
_LINGER_S = 5.0
_MOST_LINGERING_BYTES = 64 * 1024 * 1024


class NobodyWaitsError(Exception):
    """Nobody waits for an answer: the client has not begun a request in time, or its connection has given way."""


class HeadTooSlowError(Exception):
    """The head of a request has begun, but did not arrive in time."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for a client, in seconds: for the head of a request, between requests, for a taken part."""

    head_s: float
    idle_s: float
    write_s: float


class Client:
    """A connection from the network `source`, with the interface of a socket as far as gunicorn uses it."""

    def __init__(
        self, sock: socket.socket, source: str, patience: Patience, connections: Connections, turns: Turns
    ) -> None:
        self._socket = sock
        self.source = source
        self._patience = patience
        self._connections = connections
        self._turns = turns
        self._deadline = time.monotonic() + patience.head_s
        self._in_head = True
        self._head_bytes = 0
        self.was_refused = False
        self._refuse_again: Callable[[bytes], bytes | None] | None = None
        self.has_turn = True
        self.has_waited = False
        self.moved = time.monotonic()
        self.unsent = 0

    # --- reading ---

    def expect_first_request(self) -> None:
        """Begin to wait for the head of the first request."""
        self._expect(self._patience.head_s)

    def expect_next_request(self) -> None:
        """Begin to wait for the head of another request."""
        self._expect(self._patience.idle_s)

    def note_refusal(self, again: Callable[[bytes], bytes | None] | None) -> None:
        """Note that a request was refused because there is too much to do: those of others go before the next one.

        `again` returns the answer to the next request, given as it was sent, if that is to be refused in the same way.
        """
        self.was_refused, self._refuse_again = True, again

    def read_after_refusal(self) -> tuple[bytes, bytes | None]:
        """Return what was sent after a request that was refused, and the answer if that is to be refused, too."""
        again, self._refuse_again = self._refuse_again, None
        if again is None:
            return b"", None
        sent = self.recv(_PART)
        answer = again(sent)
        if answer is not None:
            self.note_refusal(again)
        return sent, answer

    def wait_for_turn(self, *, first: bool, is_hopeless: bool) -> None:
        """Wait until the request whose head was read may be worked on, `first` if it goes before others.

        `has_turn` is False afterwards if that would take too long, or if it `is_hopeless` to wait, so that the request
        is to be refused. The connection does not give way meanwhile: its turn comes soon.
        """
        self.has_turn = not is_hopeless and self._turns.take_free(first=first)
        self.has_waited = not (is_hopeless or self.has_turn or self._turns.are_taken_for(self.source, first=first))
        if self.has_waited:
            self._turns.wait(self.source, first=first)
            self.has_turn = True

    @property
    def turns_are_taken(self) -> bool:
        """Whether so many requests wait for their turn that another one, that is no health check, is to be refused."""
        return self._turns.are_taken_for(self.source, first=False)

    def let_others_go_first(self) -> None:
        """Wait until others have had a turn. Raise `NobodyWaitsError` if the connection has given way meanwhile."""
        self.was_refused = False
        with self._connections.waiting(self):
            self._turns.wait_last()
        if not self._connections.has(self):
            raise NobodyWaitsError

    def _expect(self, seconds: float) -> None:
        self._in_head, self._head_bytes = True, 0
        self._deadline = time.monotonic() + seconds

    def head_is_read(self) -> None:
        """End the time limit of the head. Who reads the body limits the time for that."""
        self._in_head = False

    def recv(self, size: int) -> bytes:
        """Return the next bytes, at most `size` and 64 KiB, empty at the end.

        Gunicorn asks for a megabyte of a long body, and keeps what it gets until the connection ends.

        Raise `NobodyWaitsError` or `HeadTooSlowError` after the time for a head, `LimitRequestHeaders` if it is too
        long.
        """
        size = min(size, _PART)
        if not self._in_head:
            # gevent waits only if there is nothing to read: a client that sends fast would keep all others waiting.
            gevent.sleep(0)
            return self._receive(size, None)
        if self._head_bytes > LONGEST_HEAD:
            raise errors.LimitRequestHeaders("limit request headers size")
        try:
            data = self._receive(size, self._deadline - time.monotonic())
        except TimeoutError:
            raise (HeadTooSlowError if self._head_bytes else NobodyWaitsError) from None
        if data and not self._head_bytes and not is_health_check(data):
            self._turns.wait_to_read(self.source)
        if not self._head_bytes:
            self._deadline = min(self._deadline, time.monotonic() + self._patience.head_s)
        self._head_bytes += len(data)
        return data

    def _receive(self, size: int, timeout_s: float | None) -> bytes:
        self._socket.settimeout(None if timeout_s is None else max(timeout_s, 0.001))
        with self._connections.waiting(self):
            data = self._socket.recv(size)
        self.moved = time.monotonic()
        return data

    # --- writing ---

    def sendall(self, data: bytes) -> None:
        """Send `data`. Raise `ConnectionAbortedError` if the client stops to take it, or takes it too slowly."""
        rest = memoryview(data)
        ends = time.monotonic() + self._patience.write_s + len(rest) / _LEAST_RATE
        self.unsent = len(rest)  # the whole of it stays in memory until the last byte is sent
        try:
            while rest:
                rest = rest[self._send(rest[:_PART], min(self._patience.write_s, ends - time.monotonic())) :]
        except TimeoutError:
            raise ConnectionAbortedError("the client does not take the answer") from None
        finally:
            self.unsent = 0

    def _send(self, part: memoryview, timeout_s: float) -> int:
        self._socket.settimeout(max(timeout_s, 0.001))
        with self._connections.waiting(self):
            sent = self._socket.send(part)
        self.moved = time.monotonic()
        return sent

    send = sendall  # gunicorn sends "100 Continue" with it

    # --- ending ---

    def send_last(self, data: bytes) -> None:
        """Send `data`, if the client takes it, and nothing after it."""
        with suppress(OSError):
            self.sendall(data)
            self._socket.shutdown(socket.SHUT_WR)

    @property
    def is_idle(self) -> bool:
        """Whether the client has nothing under way: no request, and not even the beginning of one."""
        return self._in_head and not self._head_bytes

    def hang_up(self) -> None:
        """End the connection at once, also for whoever waits for this client at the moment."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def linger(self) -> None:
        """Send nothing more, and read for a while what the client still sends.

        If the connection were closed, the client might never see the answer that it has got (RFC 9112, section 9.6).
        """
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            ends, left = time.monotonic() + _LINGER_S, _MOST_LINGERING_BYTES
            while left > 0 and time.monotonic() < ends:
                data = self._receive(_PART, ends - time.monotonic())
                if not data:
                    return
                left -= len(data)
                gevent.sleep(0)

    def close(self) -> None:
        """Close the connection."""
        with suppress(OSError):
            self._socket.close()
