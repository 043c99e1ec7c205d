"""Publishing: every message is persistent, mandatory and confirmed; once a call returns, a queue has the message."""

from collections.abc import Mapping

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, NackError, UnroutableError

from chassis import envelope, tracing
from chassis.broker import topology
from chassis.broker.connection import KeptConnection, reason
from chassis.clock import now
from chassis.envelope import Event


class NotPublishedError(Exception):
    """The broker has not confirmed the message. It may have it or not, so the sender has to send it again."""

    code = "not-published"

    def __init__(self, detail: str, *, broker_is_away: bool = False) -> None:
        super().__init__(detail)
        self.broker_is_away = broker_is_away


class Publisher:
    """A connection for publishing only: alarms of the broker block publishers, and must not block consumers with them.

    Threads may share it; they take turns. After a loss of the connection the next call opens another.
    """

    def __init__(self, url: str, client: str) -> None:
        self._connection = KeptConnection(url, client, _prepare)

    def publish(self, event: Event) -> None:
        """Publish `event` under its type; return once a queue has it, else raise `NotPublishedError`."""
        self.publish_encoded(event.type, event.encode(), event.event_id)

    def publish_encoded(self, event_type: str, body: bytes, event_id: str) -> None:
        """Publish an event that is encoded already, as `publish` does."""
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
        """Publish `body` as it is; return once a queue has it, else raise `NotPublishedError`.

        The message goes on with the current trace, if `headers` name no other, and tells when it was sent.
        """
        attributes = {
            "messaging.system": "rabbitmq",
            "messaging.destination.name": routing_key,
            "messaging.message.id": message_id,
        }
        with tracing.span(f"send {routing_key}", "producer", attributes) as span:
            sent = {topology.SENT_HEADER: int(now().timestamp() * 1000)}
            all_headers = {**sent, tracing.HEADER: span.traceparent or tracing.current().traceparent, **headers}
            properties = pika.BasicProperties(
                content_type=envelope.CONTENT_TYPE,
                delivery_mode=pika.DeliveryMode.Persistent.value,
                message_id=message_id,
                headers={name: value for name, value in all_headers.items() if value or name != tracing.HEADER},
                expiration=None if expiration_ms is None else str(expiration_ms),
            )
            self._send(exchange, routing_key, body, properties)

    def _send(self, exchange: str, routing_key: str, body: bytes, properties: pika.BasicProperties) -> None:
        try:
            with self._connection.channel() as channel:
                channel.basic_publish(exchange, routing_key, body, properties, mandatory=True)
        except UnroutableError:
            # The broker confirms it all the same, but no queue took it: no consumer has declared its queue yet.
            raise NotPublishedError(f"no queue takes {routing_key}") from None
        except NackError:
            raise NotPublishedError("the broker refused the message") from None
        except (AMQPError, OSError) as fault:
            raise NotPublishedError(f"the broker does not answer: {reason(fault)}", broker_is_away=True) from fault

    def close(self) -> None:
        """Close the connection; a later call would open a new one."""
        self._connection.close()


def _prepare(channel: BlockingChannel) -> None:
    topology.declare_exchange(channel)
    channel.confirm_delivery()
