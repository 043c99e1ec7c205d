"""A connection to the broker that stays open while idle: opened at the first use, and again after it was lost."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pika
import structlog
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, AuthenticationError, ConnectionClosedByBroker, ProbableAuthenticationError

from chassis.urls import broker_nodes

log = structlog.get_logger(__name__)

HEARTBEAT_S = 30
# How often an idle connection is serviced. It answers heartbeats only then, and without them the broker closes it.
PUMP_S = 1.0
# A broker under a memory or disk alarm blocks its publishers; without a timeout they would wait without end.
BLOCKED_TIMEOUT_S = 10
SOCKET_TIMEOUT_S = 10
ACCESS_REFUSED = 403


def parameters(url: str, client: str) -> list[pika.URLParameters]:
    """Return the connection parameters for each node in `url`, in a random order, so that connections spread over them.

    They have timeouts for all that pika would wait for without end. `client` is the name of the connection that the
    broker shows to operators.
    """
    nodes = broker_nodes(url)
    return [_node(each, client) for each in random.sample(nodes, len(nodes))]


def connect(url: str, client: str) -> pika.BlockingConnection:
    """Return a connection to a node in `url` that lets `client` in; raise `AMQPError` or `OSError` if none does.

    Given all nodes at once, pika would end at the first whose name is not known, which is that of a container that is
    gone, and at the first that is reached and does not answer.
    """
    *others, last = parameters(url, client)
    for node in others:
        try:
            return pika.BlockingConnection(node)
        except (AMQPError, OSError) as fault:
            log.info("broker node passed over", node=node.host, client=client, error=reason(fault))
    return pika.BlockingConnection(last)


def _node(url: str, client: str) -> pika.URLParameters:
    given = pika.URLParameters(url)
    if given.heartbeat is None:
        given.heartbeat = HEARTBEAT_S
    given.blocked_connection_timeout = BLOCKED_TIMEOUT_S
    given.socket_timeout = SOCKET_TIMEOUT_S
    given.stack_timeout = SOCKET_TIMEOUT_S + 5
    given.client_properties = {"connection_name": client}
    return given


def reason(fault: BaseException) -> str:
    """Return one line for operators about `fault`, with which the broker was lost or could not be reached."""
    refusals = (AuthenticationError, ProbableAuthenticationError)
    if isinstance(fault, refusals) or (
        isinstance(fault, ConnectionClosedByBroker) and fault.reply_code == ACCESS_REFUSED
    ):
        return (
            "it refuses the user or the password of our URL: that is wrong, or was changed after the broker was made, "
            "which keeps the password of its first start until rabbitmqctl change_password sets another"
        )
    return repr(fault)


class KeptConnection:
    """One connection with one channel. Threads may share it; they take turns.

    From the first use until `close`, a thread of its own answers the broker's heartbeats while nobody uses it.
    """

    def __init__(self, url: str, client: str) -> None:
        self._url = url
        self._client = client
        self._lock = threading.Lock()
        self._connection: pika.BlockingConnection | None = None
        self._channel: BlockingChannel | None = None
        self._pump: threading.Thread | None = None
        self._closed = threading.Event()

    @contextmanager
    def channel(self) -> Iterator[BlockingChannel]:
        """Hold the channel for a piece of work. Raise `AMQPError` or `OSError` if the broker is not available.

        A connection that is lost meanwhile is dropped, and the next call opens another.
        """
        with self._lock:
            try:
                yield self._open()
            except (AMQPError, OSError):
                if self._channel is None or not self._channel.is_open:  # a channel never outlives its connection
                    self._drop()
                raise

    def close(self) -> None:
        """Close the connection and end its thread; a later use would make new ones."""
        with self._lock:
            self._drop()
            pump, self._pump = self._pump, None
            self._closed.set()
        if pump is not None:
            pump.join()

    def _open(self) -> BlockingChannel:
        self._service()
        if self._channel is None or self._channel.is_closed:
            self._drop()
            self._connection = connect(self._url, self._client)
            self._channel = self._connection.channel()
            if self._pump is None:
                self._closed = threading.Event()
                self._pump = threading.Thread(
                    target=self._keep_alive, args=(self._closed,), name=f"{self._client} heartbeats", daemon=True
                )
                self._pump.start()
        return self._channel

    def _keep_alive(self, closed: threading.Event) -> None:
        while not closed.wait(PUMP_S):
            # If the lock is taken, somebody uses the connection, which services it as well.
            if self._lock.acquire(blocking=False):
                try:
                    self._service()
                finally:
                    self._lock.release()

    def _service(self) -> None:
        """Answer heartbeats; if the broker is gone, log it in one line and drop the connection."""
        if self._connection is None:
            return
        try:
            self._connection.process_data_events(0)
        except Exception as fault:  # noqa: BLE001 - no loss of a connection may end the thread that services it
            log.warning("broker connection lost", client=self._client, error=reason(fault))
            self._drop()

    def _drop(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None and connection.is_open:
            try:
                connection.close()
            except (AMQPError, OSError):
                log.debug("closing a broken connection failed", exc_info=True)
