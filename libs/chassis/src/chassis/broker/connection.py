"""A connection to the broker that lives while it is idle: made when it is needed, and again when it was lost."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pika
import structlog
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

log = structlog.get_logger(__name__)

HEARTBEAT_S = 30
# How often an idle connection is looked at. It answers heartbeats only then, and the broker gives it up without.
PUMP_S = 1.0
# A broker under a memory or disk alarm blocks its publishers; without a limit they would wait for ever.
BLOCKED_TIMEOUT_S = 10
SOCKET_TIMEOUT_S = 10


def parameters(url: str, client: str) -> pika.URLParameters:
    """Give the connection parameters of URL with the limits that pika leaves open; CLIENT is shown to operators."""
    given = pika.URLParameters(url)
    if given.heartbeat is None:
        given.heartbeat = HEARTBEAT_S
    given.blocked_connection_timeout = BLOCKED_TIMEOUT_S
    given.socket_timeout = SOCKET_TIMEOUT_S
    given.stack_timeout = SOCKET_TIMEOUT_S + 5
    given.client_properties = {"connection_name": client}
    return given


class KeptConnection:
    """One connection with one channel, which PREPARE has seen first. Safe to share between threads; they take turns.

    A thread keeps it alive while nobody works on it, from the first use until `close`.
    """

    def __init__(self, url: str, client: str, prepare: Callable[[BlockingChannel], object]) -> None:
        self._parameters = parameters(url, client)
        self._client = client
        self._prepare = prepare
        self._lock = threading.Lock()
        self._connection: pika.BlockingConnection | None = None
        self._channel: BlockingChannel | None = None
        self._pump: threading.Thread | None = None
        self._closed = threading.Event()

    @contextmanager
    def channel(self) -> Iterator[BlockingChannel]:
        """Hold the channel for a piece of work; raises AMQPError or OSError.

        Where the broker is lost meanwhile the connection is given up, and the next call makes another.
        """
        with self._lock:
            try:
                yield self._open()
            except (AMQPError, OSError):
                if self._channel is None or not self._channel.is_open:  # of a lost connection no channel is
                    self._drop()
                raise

    def close(self) -> None:
        """End the connection and its thread; a later call would make new ones."""
        with self._lock:
            self._drop()
            pump, self._pump = self._pump, None
            self._closed.set()
        if pump is not None:
            pump.join()

    def _open(self) -> BlockingChannel:
        self._look()
        if self._channel is None or self._channel.is_closed:
            self._drop()
            self._connection = pika.BlockingConnection(self._parameters)
            self._channel = self._connection.channel()
            self._prepare(self._channel)
            if self._pump is None:
                self._closed = threading.Event()
                self._pump = threading.Thread(
                    target=self._keep_alive, args=(self._closed,), name=f"{self._client} heartbeats", daemon=True
                )
                self._pump.start()
        return self._channel

    def _keep_alive(self, closed: threading.Event) -> None:
        while not closed.wait(PUMP_S):
            # Whoever works on it keeps it alive, too, and must not wait.
            if self._lock.acquire(blocking=False):
                try:
                    self._look()
                finally:
                    self._lock.release()

    def _look(self) -> None:
        """Answer heartbeats; notice, and tell in one line, that the broker is gone."""
        if self._connection is None:
            return
        try:
            self._connection.process_data_events(0)
        except Exception as fault:  # noqa: BLE001 - whatever ends a connection must not end the thread that keeps it
            log.warning("broker connection lost", client=self._client, error=repr(fault))
            self._drop()

    def _drop(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None and connection.is_open:
            try:
                connection.close()
            except (AMQPError, OSError):
                log.debug("closing a broken connection failed", exc_info=True)
