"""The gunicorn worker of the services behind the gateway: threads, each of which waits for requests itself.

Gunicorn's own threaded worker has one thread that waits for all connections, hands each request to another one, and
takes the connection back from it. With requests of a millisecond that takes half of the process's time. Here all
threads wait for the same connections: the system wakes one of them for a request, and that one answers it.

Nor does gunicorn's worker accept anything more once it is to end, but it keeps its listening socket open until its last
connection has ended. Clients that connect in between are accepted by the kernel, wait for seconds, and are then cut
off.
"""

import select
import socket
import threading
import time
from typing import Any

from gunicorn.http import RequestParser
from gunicorn.http.body import LengthReader
from gunicorn.workers.gthread import TConn, ThreadWorker

from chassis.web import gunicorn_response
from chassis.web.gunicorn_configuration import RememberedConfiguration

# How long a connection that is idle when the worker is to end stays open, for a request that is on its way.
LINGER_S = 2.0


class Worker(ThreadWorker):
    """On SIGTERM, answers the clients that are connected; others are refused at once, and can try another replica."""

    def init_process(self) -> None:
        """Serve until SIGTERM."""
        self._readable = select.epoll()
        # By the numbers of their files, with the moment at which each is closed.
        self._idle: dict[int, tuple[TConn, float]] = {}
        self._lock = threading.Lock()
        gunicorn_response.install()
        self.cfg = RememberedConfiguration(self.cfg)  # type: ignore[assignment] # has what is used of it
        super().init_process()

    def run(self) -> None:
        """Start the threads; then accept connections, and close those that are idle for too long, until SIGTERM."""
        for number in range(self.cfg.threads):
            threading.Thread(target=self._serve, name=f"web_{number}", daemon=True).start()
        super().run()

    def set_accept_enabled(self, enabled: bool | None) -> None:
        """Accept new connections or not; once the worker is to end, accept those that wait, and stop listening."""
        super().set_accept_enabled(enabled)
        if enabled or self.alive:
            return
        for listener in self.sockets:
            accepted = -1
            while self.nr_conns != accepted:
                accepted = self.nr_conns
                self.accept(listener)
            listener.close()
        self.sockets = []

    def enqueue_req(self, conn: TConn) -> None:
        """Have the threads wait for the first request of a new connection."""
        conn.data_ready = True  # it is when a thread looks at it
        conn.sock = _Socket(conn.sock.detach())
        try:
            self._await_request(conn, self._readable.register)
        except OSError:  # the system watches no more of them
            self.log.exception("a connection was given up")
            conn.close()
            self._note_closed()

    def murder_keepalived(self, force: bool = False) -> None:
        """Close the connections that are idle for too long, or all that are."""
        moment = time.monotonic()
        with self._lock:
            late = [number for number, (_, ends) in self._idle.items() if force or ends <= moment]
            connections = [self._idle.pop(number) for number in late]
        for conn, _ in connections:
            conn.close()
            self._note_closed()

    def _cap_keepalive(self, deadline: float) -> None:
        with self._lock:
            self._idle = {number: (conn, min(ends, deadline)) for number, (conn, ends) in self._idle.items()}

    def _serve(self) -> None:
        """Answer requests until the process ends."""
        while True:
            for number, _ in self._readable.poll(maxevents=1):
                with self._lock:
                    idle = self._idle.pop(number, None)
                if idle is not None:  # else it was closed just now, as idle for too long
                    self._answer(idle[0])

    def _answer(self, conn: TConn) -> None:
        try:
            keeps = self.handle(conn)
            while keeps and _has_read_on(conn):
                keeps = self.handle(conn)
            if keeps:
                self._await_request(conn, self._readable.modify)
                return
            conn.close(graceful=True)
        except Exception:
            self.log.exception("a connection was given up")
            conn.close()
        self.method_queue.defer(self._note_closed)  # on the main thread, which counts those that it accepts

    def _keepalive_after(self, conn: TConn, keepalive: bool) -> bool:
        """Return whether the connection can be used again; what is left of the body is read before."""
        parser: Any = conn.parser
        reader = parser.mesg.body.reader
        is_read = isinstance(reader, LengthReader) and not reader.length
        return keepalive and (is_read or super()._keepalive_after(conn, keepalive))  # type: ignore[misc] # it has one

    def _await_request(self, conn: TConn, watch: Any) -> None:
        """Have one of the threads take `conn` when it can be read, once; `watch` tells the system so."""
        ends = time.monotonic() + (self.cfg.keepalive if self.alive else LINGER_S)
        number = conn.sock.fileno()
        with self._lock:
            self._idle[number] = conn, ends
        try:
            watch(number, select.EPOLLIN | select.EPOLLONESHOT)
        except OSError:
            with self._lock:
                self._idle.pop(number, None)
            raise

    def _note_closed(self) -> None:
        self.nr_conns -= 1


class _Socket(socket.socket):
    """A socket that is not told again what it does already, as gunicorn's code around each request tells it.

    Each time the thread would give way to others, and have to wait for its turn.
    """

    def __init__(self, fileno: int) -> None:
        super().__init__(fileno=fileno)
        super().setblocking(True)  # which a new object takes it for, whatever the system knows of it

    def setblocking(self, flag: bool) -> None:
        """Wait for others without end, or never."""
        self.settimeout(None if flag else 0.0)

    def settimeout(self, value: float | None) -> None:
        """Wait for others for `value` seconds at most, or without end."""
        if value != self.gettimeout():
            super().settimeout(value)


def _has_read_on(conn: TConn) -> bool:
    """Return whether the next request was read with the end of a body: the socket need not be readable then."""
    return isinstance(conn.parser, RequestParser) and bool(conn.parser.unreader.buf.getvalue())
