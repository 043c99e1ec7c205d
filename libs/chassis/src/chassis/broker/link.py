"""A link to the broker for publishing: a thread of its own talks to it, and any number of messages wait for confirms.

pika's blocking connection waits for one confirm at a time, and without end. So this takes its asynchronous one.
"""

import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pika
import structlog
from pika.adapters.select_connection import IOLoop
from pika.adapters.utils import connection_workflow as workflow
from pika.channel import Channel
from pika.connection import Connection
from pika.exceptions import AMQPConnectionError
from pika.spec import Basic

from chassis.broker import topology
from chassis.broker.connection import parameters, reason
from chassis.broker.errors import NotPublishedError

if TYPE_CHECKING:
    from pika.frame import Method

log = structlog.get_logger(__name__)

# A quorum queue that has lost the majority of its nodes takes messages without ever confirming them.
CONFIRM_S = 10.0
# How long to wait for the broker to close a connection with us; afterwards it is left to its heartbeats.
_CLOSE_S = 5.0
# How long pika has to close the socket of a connection that is over, which it does a moment after it says so.
_LAST_S = 0.1


@dataclass(frozen=True)
class Message:
    """What is published, and where: every message is mandatory, so that the broker tells when no queue takes it."""

    exchange: str
    routing_key: str
    body: bytes
    properties: pika.BasicProperties


@dataclass(eq=False)
class _Waiting:
    message: Message
    confirmed: Future[None] = field(default_factory=Future)
    is_returned: bool = False
    sent: float = 0.0


class Link:
    """One connection with one channel: opened at once, and of no use any more once it is lost.

    Threads may share it. Whatever is sent is confirmed, or fails with `NotPublishedError`, within the time-outs of the
    connection and `CONFIRM_S`. All but `send`, `is_lost` and `close` runs on the thread of the link.
    """

    def __init__(self, url: str, client: str) -> None:
        self._client = client
        self._lock = threading.Lock()  # guards the next two
        self._given: deque[_Waiting] = deque()
        self._lost: NotPublishedError | None = None
        self._unconfirmed: dict[int, _Waiting] = {}  # by their delivery tags, which the broker counts as we do
        self._published = 0
        self._nodes: list[pika.URLParameters] = []  # that are left to try
        self._opening: workflow.AbstractAMQPConnectionWorkflow
        self._connection: Connection | None = None
        self._channel: Channel | None = None
        self._is_watched = False
        self._is_closing = False
        self._loop = IOLoop()
        self._thread = threading.Thread(target=self._run, args=(url,), name=f"{client} link", daemon=True)
        self._thread.start()

    @property
    def is_lost(self) -> bool:
        """Return whether the connection is lost, or could not be opened."""
        return self._lost is not None

    def send(self, message: Message) -> Future[None]:
        """Publish `message`; the result is there once a queue has it. Else it is a `NotPublishedError`."""
        waiting = _Waiting(message)
        with self._lock:
            if self._lost is not None:
                waiting.confirmed.set_exception(self._lost.again())
                return waiting.confirmed
            self._given.append(waiting)
            if len(self._given) == 1:
                self._loop.add_callback_threadsafe(self._publish)
        return waiting.confirmed

    def close(self) -> None:
        """Close the connection, and wait for its thread to end."""
        with self._lock:
            if self._lost is None:
                self._loop.add_callback_threadsafe(self._close)
        self._thread.join(_CLOSE_S)

    def _run(self, url: str) -> None:
        try:
            self._nodes = parameters(url, self._client)
            self._open()
            self._loop.start()
        except Exception as fault:
            log.exception("broker connection failed", client=self._client)
            self._lose(_away(fault))
        finally:
            self._lose(_away(ConnectionError("the connection was closed")))
            self._loop.close()

    def _open(self) -> None:
        """Connect to one node: given all at once, pika passes over some kinds of failures only (see `connect`)."""
        self._opening = pika.SelectConnection.create_connection(
            [self._nodes.pop()], self._take_connection, custom_ioloop=self._loop
        )

    def _take_connection(self, made: Connection | BaseException) -> None:
        if isinstance(made, BaseException) and self._nodes and not self._is_closing:
            log.info("broker node passed over", client=self._client, error=reason(_cause(made)))
            self._open()
        elif isinstance(made, BaseException):
            self._lose(_away(_cause(made)))
            self._loop.call_later(_LAST_S, self._loop.stop)
        else:
            self._connection = made
            made.add_on_close_callback(self._end)
            made.channel(on_open_callback=self._take_channel)
            self._loop.call_later(CONFIRM_S, self._expect_channel)

    def _expect_channel(self) -> None:
        if self._channel is None:
            self._give_up(_away(TimeoutError(f"no channel within {CONFIRM_S:.0f} s")))

    def _take_channel(self, channel: Channel) -> None:
        channel.add_on_close_callback(self._lose_channel)
        channel.add_on_return_callback(self._take_returned)
        topology.declare_exchange(channel)
        channel.confirm_delivery(self._take_confirm)
        self._channel = channel
        self._publish()

    def _lose_channel(self, channel: Channel, fault: BaseException) -> None:
        if channel.connection.is_open:  # else it is closed, or lost, with its channel
            log.warning("broker closed the channel", client=self._client, error=reason(fault))
            self._give_up(_away(fault))

    def _publish(self) -> None:
        """Publish what was given meanwhile, once there is a channel."""
        if self._channel is None or not self._channel.is_open:
            return
        with self._lock:
            given, self._given = self._given, deque()
        for waiting in given:
            self._published += 1
            waiting.sent = time.monotonic()
            self._unconfirmed[self._published] = waiting
            message = waiting.message
            self._channel.basic_publish(
                message.exchange, message.routing_key, message.body, message.properties, mandatory=True
            )
        self._watch()

    def _take_returned(
        self, _channel: Channel, method: Basic.Return, properties: pika.BasicProperties, _body: bytes
    ) -> None:
        """Note that no queue takes a message: no consumer has declared one. The broker confirms it all the same."""
        for waiting in self._unconfirmed.values():
            sent = waiting.message
            if (sent.routing_key, sent.properties.message_id) == (method.routing_key, properties.message_id):
                waiting.is_returned = True

    def _take_confirm(self, frame: "Method[Basic.Ack | Basic.Nack]") -> None:
        last, is_refused = frame.method.delivery_tag, isinstance(frame.method, Basic.Nack)
        first = next(iter(self._unconfirmed), last) if frame.method.multiple else last
        for tag in range(first, last + 1):
            waiting = self._unconfirmed.pop(tag, None)
            if waiting is None:
                continue
            if is_refused:
                waiting.confirmed.set_exception(NotPublishedError("the broker refused the message"))
            elif waiting.is_returned:
                waiting.confirmed.set_exception(NotPublishedError(f"no queue takes {waiting.message.routing_key}"))
            else:
                waiting.confirmed.set_result(None)

    def _watch(self) -> None:
        """Look again when the confirm that has been due for the longest is late; then the link is given up."""
        oldest = next(iter(self._unconfirmed.values()), None)
        if oldest is None or self._is_watched:
            return
        self._is_watched = True
        self._loop.call_later(max(0.0, oldest.sent + CONFIRM_S - time.monotonic()), self._look)

    def _look(self) -> None:
        self._is_watched = False
        oldest = next(iter(self._unconfirmed.values()), None)
        if oldest is not None and time.monotonic() >= oldest.sent + CONFIRM_S:
            # What the broker holds of us is of no use to it, as it is all sent again.
            log.warning("broker does not confirm", client=self._client, unconfirmed=len(self._unconfirmed))
            self._give_up(_away(TimeoutError(f"no confirm within {CONFIRM_S:.0f} s")))
        else:
            self._watch()

    def _give_up(self, fault: NotPublishedError) -> None:
        self._lose(fault)
        self._close()

    def _close(self) -> None:
        self._is_closing = True
        if self._connection is None:
            self._opening.abort()
        elif self._connection.is_open:
            self._connection.close()

    def _end(self, _connection: Connection, fault: BaseException) -> None:
        if not self._is_closing:
            log.warning("broker connection lost", client=self._client, error=reason(fault))
        self._lose(_away(fault))
        self._loop.call_later(_LAST_S, self._loop.stop)

    def _lose(self, fault: NotPublishedError) -> None:
        """Have all that waits fail with `fault`, as will whatever is sent from now on."""
        with self._lock:
            if self._lost is None:
                self._lost = fault
            waiting = [*self._unconfirmed.values(), *self._given]
            self._unconfirmed, self._given = {}, deque()
        for each in waiting:
            each.confirmed.set_exception(fault.again())


def _away(fault: BaseException) -> NotPublishedError:
    return NotPublishedError(f"the broker does not answer: {reason(fault)}", broker_is_away=True)


def _cause(fault: BaseException) -> BaseException:
    """Return why the last of the attempts to connect failed, of which `fault` tells."""
    if isinstance(fault, workflow.AMQPConnectionWorkflowFailed):
        fault = fault.exceptions[-1]
    if isinstance(fault, workflow.AMQPConnectorSocketConnectError):
        return AMQPConnectionError(fault)
    return fault.exception if isinstance(fault, workflow.AMQPConnectorPhaseErrorBase) else fault
