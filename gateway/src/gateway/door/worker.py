"""The gunicorn worker of the gateway: a greenlet for each connection, so that slow clients do not block others."""

import re
import resource
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar

import gevent
from gunicorn.http import errors
from gunicorn.http.body import ChunkedReader, LengthReader
from gunicorn.http.parser import RequestParser
from gunicorn.workers.ggevent import GeventWorker

from chassis.networks import network_of
from chassis.web import gunicorn_response
from chassis.web.gunicorn_configuration import RememberedConfiguration
from gateway import metrics
from gateway.door import header_limits, refusals
from gateway.door.client import Client, NobodyWaitsError, Patience
from gateway.door.connections import Connections
from gateway.door.listener import MOST_WAITING, Listener
from gateway.door.turns import GO_FIRST, Turns

MOST_DRAINED_BYTES = 256 * 1024
DRAIN_TIMEOUT_S = 2.0
MOST_CHUNKS = 1000
MOST_DRAINED_CHUNKS = 16  # of a body that nobody has asked for
MOST_AT_THE_DOOR = 256  # connections that wait for one of others to end
MOST_UNSENT_BYTES = 64 * 1024 * 1024
# How long a worker that ends keeps idle connections, on which clients may just be sending, as gunicorn's others do.
LINGER_S = 2.0
_SOURCES = 4  # one address has no more of those who are accepted beforehand than this part
_SPARE_FILES = 512  # besides clients: connections to the services, pipes, logs

# An extension of a Flask application, a function of the path of a request and the address that it comes from: whether
# the request would be refused after it has waited for its turn.
IS_HOPELESS = "is_hopeless"

_TARGET = re.compile(r"/|https?://[^/?#]+(?:[/?]|$)|\*$", re.IGNORECASE)
_HIGHEST_VERSION = (1, 1)


class _FewChunks(ChunkedReader):
    """A chunked body. One in very many small chunks would take a hundred times the work of an ordinary body."""

    left = MOST_CHUNKS

    def parse_chunk_size(self, unreader: Any, data: bytes | None = None) -> Any:
        """Read the next size, as the base class does. Raise `InvalidChunkSize` if no chunks are `left`."""
        self.left -= 1
        if self.left < 0:
            raise errors.InvalidChunkSize(b"the body comes in too many chunks")
        return super().parse_chunk_size(unreader, data)


def allow_chunks(body: Any, count: int) -> None:
    """Let `body`, the stream of a request, come in `count` chunks, if it is chunked."""
    if isinstance(reader := getattr(body, "reader", None), _FewChunks):
        reader.left = count


class DoorWorker(GeventWorker):
    """Serves clients for whose every step there is a time limit, and answers unreadable requests with problems."""

    patience: ClassVar[Patience] = Patience(head_s=10, idle_s=75, write_s=20)
    connections_per_source: ClassVar[int] = 200

    def init_process(self) -> None:
        """Make sure that the process may open as many files as it may have connections."""
        needed = self.cfg.worker_connections + MOST_WAITING + _SPARE_FILES
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < needed:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed, hard), hard))
        most, self._most_waiting = self.cfg.worker_connections, MOST_WAITING
        if hard < needed:
            most = min(most, max(hard - _SPARE_FILES, hard // 2))
            self._most_waiting = max((hard - most) // 2, 1)
            if most < self.cfg.worker_connections:
                self.log.warning("the limit of open files allows %d connections only", most)
        self._at_the_door = 0
        self.connections = Connections(most, self.connections_per_source, MOST_UNSENT_BYTES)
        gunicorn_response.install()
        self.cfg = RememberedConfiguration(self.cfg)  # type: ignore[assignment] # has what is used of it
        super().init_process()

    def run(self) -> None:
        """Serve until SIGTERM; then answer the clients that are connected. Others are refused at once."""
        self._is_hopeless = getattr(self.wsgi, "extensions", {}).get(IS_HOPELESS, lambda _path, _source: False)
        by_source = self.connections_per_source < self.cfg.worker_connections
        self.turns = Turns(by_source=by_source)
        most_per_source = self._most_waiting // _SOURCES if by_source else self._most_waiting
        servers = [
            Listener(listener, partial(self.handle_client, listener.getsockname()), self._most_waiting, most_per_source)
            for listener in self.sockets
        ]
        for server in servers:
            server.start()
        while self.alive:
            self.notify()
            gevent.sleep(1.0)
        for server in servers:
            server.close_after_all()
        began = time.monotonic()
        while self.connections and time.monotonic() - began < self.cfg.graceful_timeout:
            self.notify()
            if time.monotonic() - began > LINGER_S:
                self.connections.drop_idle(time.monotonic() - LINGER_S)
            gevent.sleep(0.1)

    def handle_client(self, listener_name: Any, sock: Any, address: Any) -> None:
        """Serve one connection to the address `listener_name` until it ends."""
        client = Client(sock, network_of(address[0]), self.patience, self.connections, self.turns)
        if not self._admit(client):
            metrics.NO_CONNECTION.inc()
            client.send_last(refusals.of_connection())
            client.close()
            return
        try:
            self._serve(listener_name, client, address)
        except (OSError, NobodyWaitsError, StopIteration, errors.NoMoreData, gevent.GreenletExit) as fault:
            self.log.debug("connection ends: %r", fault)
        except Exception as fault:
            if refusals.status_of(fault) is HTTPStatus.INTERNAL_SERVER_ERROR:
                self.log.exception("request failed outside of the application")
                metrics.FAILED.inc()
            else:
                metrics.UNREADABLE.inc()
            client.send_last(refusals.of_request(fault))
            client.linger()
        finally:
            self.connections.leave(client)
            client.close()

    def _admit(self, client: Client) -> bool:
        """Admit `client`, after a moment if nobody can give way just now; return False if nobody does."""
        if self.connections.admit(client):
            return True
        if self._at_the_door >= MOST_AT_THE_DOOR:
            return False
        self._at_the_door += 1
        try:
            for _ in range(20):
                gevent.sleep(0.05)
                if self.connections.admit(client):
                    return True
            return False
        finally:
            self._at_the_door -= 1

    def _serve(self, listener_name: Any, client: Client, address: Any) -> None:
        parser = RequestParser(self.cfg, client, address)  # type: ignore[arg-type] # has what is used of a socket
        client.expect_first_request()
        while True:
            is_here = bool(parser.unreader.buf.getvalue())  # the client has not waited for the answer before
            if is_here or client.was_refused:
                client.let_others_go_first()
            if not is_here and self.alive:  # else the connection is to end after the next answer
                sent, refusal = client.read_after_refusal()
                if refusal is not None:
                    client.sendall(refusal)
                    client.expect_next_request()
                    continue
                parser.unreader.unread(sent)
            request = next(parser)
            client.head_is_read()
            _check(request)
            request.should_close = partial(_should_close, request, request.should_close)  # type: ignore[method-assign]
            client.wait_for_turn(
                first=request.path in GO_FIRST, is_hopeless=self._is_hopeless(request.path or "", address[0])
            )
            goes_on = True
            try:
                self.handle_request(listener_name, request, client, address)
            except StopIteration:  # gunicorn's way to end a connection
                goes_on = False
            if not _drain(request.body):
                client.linger()
                return
            if not goes_on:
                return
            client.expect_next_request()
            gevent.sleep(0)  # the next request may be here already; others have a turn before it


def _check(request: Any) -> None:
    """Raise an error of gunicorn's unless `request`, whose head was read, is one that HTTP allows."""
    if header_limits.are_exceeded(request.headers):
        raise errors.LimitRequestHeaders("limit request headers size")
    if not _TARGET.match(request.uri):
        raise errors.InvalidRequestLine(request.uri)
    hosts = sum(name == "HOST" for name, _ in request.headers)
    if hosts > 1 or (not hosts and request.version >= _HIGHEST_VERSION):
        raise errors.InvalidHeader("Host")
    # A later minor version is to be answered with the highest that one knows (RFC 9110, section 2.5).
    request.version = min(request.version, _HIGHEST_VERSION)
    if isinstance(request.body.reader, ChunkedReader):
        request.body.reader = _FewChunks(request, request.unreader)


def _should_close(request: Any, is_asked: Callable[[], bool]) -> bool:
    """Return whether to tell the client that the connection closes after this answer.

    It does if the rest of the body is more than is drained. A client that was not told so might send its next request
    before it notices.
    """
    reader = request.body.reader
    return is_asked() or (isinstance(reader, LengthReader) and reader.length > MOST_DRAINED_BYTES)


def _drain(body: Any) -> bool:
    """Read the rest of `body`, up to a size and for a time; return True if that was all of it."""
    left = MOST_DRAINED_BYTES
    if isinstance(body.reader, _FewChunks):
        body.reader.left = min(body.reader.left, MOST_DRAINED_CHUNKS)
    try:
        with gevent.Timeout(DRAIN_TIMEOUT_S, False):
            while left > 0:
                chunk = body.read(min(left, 8192))
                if not chunk:
                    return not body.failed
                left -= len(chunk)
    except (OSError, errors.ParseException, errors.NoMoreData):
        return False
    return False


def worker_class(patience: Patience, connections_per_source: int) -> type[DoorWorker]:
    """Return the class of the workers that serve with these limits."""
    limits = {"patience": patience, "connections_per_source": connections_per_source}
    return type("Worker", (DoorWorker,), limits)
