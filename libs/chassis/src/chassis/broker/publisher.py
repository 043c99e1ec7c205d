"""Publishing: every message is persistent, mandatory and confirmed; once a call returns, a queue has the message."""

import threading
from collections.abc import Mapping
from concurrent.futures import Future

import pika

from chassis import envelope, tracing
from chassis.broker import topology
from chassis.broker.link import Link, Message
from chassis.clock import now
from chassis.envelope import Event


class Publisher:
    """A connection for publishing only: alarms of the broker block publishers, and must not block consumers with them.

    It is opened at the first use. Threads may share it, and any number of messages may wait for their confirms. After a
    loss of the connection the next call opens another. `client` is its name, which the broker shows to operators.
    """

    def __init__(self, url: str, client: str) -> None:
        self._url = url
        self._client = client
        self._lock = threading.Lock()
        self._link: Link | None = None

    def publish(self, event: Event) -> None:
        """Publish `event` under its type; return once a queue has it, else raise `NotPublishedError`."""
        self.send(topology.EXCHANGE, event.type, event.encode(), event.event_id, headers={})

    def submit(self, event_type: str, body: bytes, event_id: str) -> Future[None]:
        """Publish an event that is encoded already; the result is there once a queue has it.

        Else it is a `NotPublishedError`.
        """
        with _span(event_type, event_id) as span:
            return self._give(_message(span, topology.EXCHANGE, event_type, body, event_id, {}, None))

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
        """Publish `body` as it is; return once a queue has it, else raise `NotPublishedError`.

        The message goes on with the current trace, if `headers` name no other, and tells when it was sent.
        """
        with _span(routing_key, message_id) as span:
            self._give(_message(span, exchange, routing_key, body, message_id, headers, expiration_ms)).result()

    def close(self) -> None:
        """Close the connection; a later call would open a new one."""
        with self._lock:
            link, self._link = self._link, None
        if link is not None:
            link.close()

    def _give(self, message: Message) -> Future[None]:
        with self._lock:
            if self._link is None or self._link.is_lost:
                self._link = Link(self._url, self._client)
            return self._link.send(message)


def _span(routing_key: str, message_id: str) -> tracing.Span:
    attributes = {
        "messaging.system": "rabbitmq",
        "messaging.destination.name": routing_key,
        "messaging.message.id": message_id,
    }
    return tracing.span(f"send {routing_key}", "producer", attributes)


def _message(  # noqa: PLR0913, PLR0917 - the parts of one message
    span: tracing.Span,
    exchange: str,
    routing_key: str,
    body: bytes,
    message_id: str,
    headers: Mapping[str, str | int],
    expiration_ms: int | None,
) -> Message:
    sent = {topology.SENT_HEADER: int(now().timestamp() * 1000)}
    all_headers = {**sent, tracing.HEADER: span.traceparent or tracing.current().traceparent, **headers}
    properties = pika.BasicProperties(
        content_type=envelope.CONTENT_TYPE,
        delivery_mode=pika.DeliveryMode.Persistent.value,
        message_id=message_id,
        headers={name: value for name, value in all_headers.items() if value or name != tracing.HEADER},
        expiration=None if expiration_ms is None else str(expiration_ms),
    )
    return Message(exchange, routing_key, body, properties)
