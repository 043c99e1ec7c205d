"""Connections to the services, kept for the next request while it is certain that the service keeps them too.

HTTP lets either side close an idle connection at any moment. Had a request just been sent on it, nobody could tell
whether it was received. So a connection is used again for `REUSED_FOR_S` only. A service keeps an idle connection for
much longer, and for 2 seconds once it has been told to end (gunicorn's `STOP_KEEPALIVE_LINGER`); what comes meanwhile
it answers, with `Connection: close`.

Answers are parsed by llhttp, the parser of Node.js: general HTTP clients take ten times the time for a call.
"""

import re
import socket
import ssl
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import gevent
from httptools import HttpParserError, HttpResponseParser

REUSED_FOR_S = 1.0
_MOST_KEPT = 200
_MOST_READ = 64 * 1024
# What would end a line of a request, and begin another one.
_UNSENDABLE = re.compile(r"[\r\n\0]")


class NotConnectedError(OSError):
    """There is no connection to the service, so that nothing was sent."""


class LostError(OSError):
    """The connection was lost after a request, or part of it, was sent; or the answer is no HTTP."""


@dataclass(frozen=True)
class Received:
    """A complete answer; the names of its headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Answer:
    """An answer while it is read: `HttpResponseParser` calls the methods whose names begin with `on`."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.body = b""
        self.has_head = False
        self.is_complete = False

    @property
    def ends_with_connection(self) -> bool:
        """Whether the end of the connection is that of the body, since the head tells no other."""
        return self.has_head and self.headers.keys().isdisjoint({"content-length", "transfer-encoding"})

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower().decode("latin-1")] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.has_head = True

    def on_body(self, part: bytes) -> None:
        self.body += part

    def on_message_complete(self) -> None:
        self.is_complete = True


class _Connection:
    """A connection of which one request at a time makes use."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._answered = 0.0

    @property
    def is_old(self) -> bool:
        """Whether no more requests may be sent, since the last one was too long ago."""
        return time.monotonic() - self._answered >= REUSED_FOR_S

    def can_be_used_again(self) -> bool:
        """Return whether another request may be sent."""
        if self.is_old:
            return False
        if isinstance(self._socket, ssl.SSLSocket):  # cannot be looked into
            return True
        self._socket.settimeout(0)
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False  # it has ended, or something came that nobody has asked for

    def ask(self, request: bytes, timeout_s: float) -> tuple[Received, bool]:
        """Return the answer to `request`, and whether the service keeps the connection. Raise `LostError`."""
        answer = _Answer()
        parser = HttpResponseParser(answer)
        try:
            self._socket.settimeout(timeout_s)
            self._socket.sendall(request)
            while not answer.is_complete:
                received = self._socket.recv(_MOST_READ)
                if not received and answer.ends_with_connection:
                    break
                if not received:
                    raise LostError("the connection has ended before the answer")
                parser.feed_data(received)
        except (OSError, HttpParserError) as fault:
            raise LostError(str(fault)) from fault
        self._answered = time.monotonic()
        is_kept = (
            answer.is_complete
            and parser.get_http_version() == "1.1"
            and answer.headers.get("connection", "").lower() != "close"
        )
        return Received(parser.get_status_code(), answer.headers, answer.body), is_kept

    def close(self) -> None:
        with suppress(OSError):
            self._socket.close()

    __del__ = close  # the kept ones, with their pool


class Pool:
    """Connections to the server of `url`, kept in this way; more are opened when they are needed."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._named = parts.netloc.rpartition("@")[2]
        self._kept: deque[_Connection] = deque()
        self._closing = False

    def ask(  # noqa: PLR0913 - the parts of one request
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        connect_timeout_s: float,
        timeout_s: float,
    ) -> Received:
        """Return the answer to a request. Raise `NotConnectedError` if nothing was sent, `LostError` otherwise.

        `timeout_s` is for each part of the answer. Raise `ValueError` for what would not be one request.
        """
        request = self._encode(method, target, headers, body)
        connection = self._take() or self._open(connect_timeout_s)
        is_kept = False
        try:
            answer, is_kept = connection.ask(request, timeout_s)
        finally:
            if is_kept and len(self._kept) < _MOST_KEPT:
                self._keep(connection)
            else:
                connection.close()
        return answer

    def _keep(self, connection: _Connection) -> None:
        self._kept.append(connection)
        if not self._closing:
            self._closing = True
            gevent.spawn_later(REUSED_FOR_S, self._close_old)

    def _close_old(self) -> None:
        """Close connections once they are old, of which the service may have closed its end already."""
        while self._kept:
            while self._kept and self._kept[0].is_old:
                self._kept.popleft().close()
            if self._kept:
                gevent.sleep(REUSED_FOR_S)
        self._closing = False

    def _take(self) -> _Connection | None:
        while self._kept:
            connection = self._kept.pop()  # the one that was used last
            if connection.can_be_used_again():
                return connection
            connection.close()
        return None

    def _open(self, timeout_s: float) -> _Connection:
        sock: Any = None
        try:
            sock = socket.create_connection((self._host, self._port), timeout_s)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_hostname=self._host)
        except BaseException as fault:
            if sock is not None:
                sock.close()
            if isinstance(fault, OSError):
                raise NotConnectedError(str(fault)) from fault
            raise
        return _Connection(sock)

    def _encode(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._named}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body is not None or method in {"POST", "PUT"}:
            lines.append(f"Content-Length: {len(body or b'')}")
        if any(map(_UNSENDABLE.search, lines)) or " " in target:
            raise ValueError("a line break or a space where none may be")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")
