"""Publishing: every message persistent, mandatory and confirmed; what returns without an error is in a queue."""

import threading
from collections.abc import Mapping

import pika
import structlog
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, NackError, UnroutableError

from chassis import envelope, topology
from chassis.envelope import Event

log = structlog.get_logger(__name__)

HEARTBEAT_S = 30
# A broker under a memory or disk alarm blocks its publishers; without a limit they would wait for ever.
BLOCKED_TIMEOUT_S = 10
SOCKET_TIMEOUT_S = 10


class NotPublishedError(Exception):
    """The broker has not confirmed the message: it may or may not have it, so the sender has to send it again."""

    code = "not-published"

    def __init__(self, detail: str, *, broker_is_away: bool = False) -> None:
        super().__init__(detail)
        self.broker_is_away = broker_is_away


def parameters(url: str, client: str) -> pika.URLParameters:
    """Give the connection parameters of URL with the limits that pika leaves open; CLIENT is shown to operators."""
    given = pika.URLParameters(url)
    given.heartbeat = HEARTBEAT_S
    given.blocked_connection_timeout = BLOCKED_TIMEOUT_S
    given.socket_timeout = SOCKET_TIMEOUT_S
    given.stack_timeout = SOCKET_TIMEOUT_S + 5
    given.client_properties = {"connection_name": client}
    return given


class Publisher:
    """A connection for publishing only: alarms block publishers, and a blocked one must not hold up consuming.

    Safe to share between threads; they take turns. A connection lost meanwhile is made again by the next call.
    """

    def __init__(self, url: str, client: str) -> None:
        self._parameters = parameters(url, client)
        self._lock = threading.Lock()
        self._connection: pika.BlockingConnection | None = None
        self._channel: BlockingChannel | None = None

    def publish(self, event: Event) -> None:
        """Publish EVENT to the exchange under its type; return once a queue has it. Raises NotPublishedError."""
        self.publish_encoded(event.type, event.encode(), event.event_id)

    def publish_encoded(self, event_type: str, body: bytes, event_id: str) -> None:
        """Publish an event that is encoded already, as `publish` does. Raises NotPublishedError."""
        self.send(topology.EXCHANGE, event_type, body, event_id, headers={})

    def send(  # noqa: PLR0913 - the parts of one message
        self,
        exchange: str,
        routing_key: str,
        body: bytes,
        message_id: str,
        *,
        headers: Mapping[str, str | int],
        expiration_ms: int | None = None,
    ) -> None:
        """Publish BODY as it is; return once a queue has it. Raises NotPublishedError."""
        properties = pika.BasicProperties(
            content_type=envelope.CONTENT_TYPE,
            delivery_mode=pika.DeliveryMode.Persistent.value,
            message_id=message_id,
            headers={**headers},
            expiration=None if expiration_ms is None else str(expiration_ms),
        )
        with self._lock:
            try:
                self._open().basic_publish(exchange, routing_key, body, properties, mandatory=True)
            except UnroutableError:
                # Confirmed all the same, but no queue took it: the consumer has not declared its queue yet.
                raise NotPublishedError(f"no queue takes {routing_key}") from None
            except NackError:
                raise NotPublishedError("the broker refused the message") from None
            except (AMQPError, OSError) as fault:
                self._drop()
                raise NotPublishedError(f"the broker does not answer: {fault!r}", broker_is_away=True) from fault

    def close(self) -> None:
        """End the connection; a later call would make a new one."""
        with self._lock:
            self._drop()

    def _open(self) -> BlockingChannel:
        if self._connection is not None and self._channel is not None:
            try:
                # An idle connection answers heartbeats only when it is looked at; it may be long dead.
                self._connection.process_data_events(0)
            except (AMQPError, OSError):
                self._drop()
        if self._channel is None or self._channel.is_closed:
            self._drop()
            self._connection = pika.BlockingConnection(self._parameters)
            self._channel = self._connection.channel()
            topology.declare_exchange(self._channel)
            self._channel.confirm_delivery()
        return self._channel

    def _drop(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None and connection.is_open:
            try:
                connection.close()
            except (AMQPError, OSError):
                log.debug("closing a broken connection failed", exc_info=True)
