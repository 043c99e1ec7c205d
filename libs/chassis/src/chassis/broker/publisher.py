"""Publishing: every message persistent, mandatory and confirmed; what returns without an error is in a queue."""

from collections.abc import Mapping

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, NackError, UnroutableError

from chassis import envelope
from chassis.broker import topology
from chassis.broker.connection import KeptConnection
from chassis.envelope import Event


class NotPublishedError(Exception):
    """The broker has not confirmed the message: it may or may not have it, so the sender has to send it again."""

    code = "not-published"

    def __init__(self, detail: str, *, broker_is_away: bool = False) -> None:
        super().__init__(detail)
        self.broker_is_away = broker_is_away


class Publisher:
    """A connection for publishing only: alarms block publishers, and a blocked one must not hold up consuming.

    Safe to share between threads; they take turns. A connection lost meanwhile is made again by the next call.
    """

    def __init__(self, url: str, client: str) -> None:
        self._connection = KeptConnection(url, client, _prepare)

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
        try:
            with self._connection.channel() as channel:
                channel.basic_publish(exchange, routing_key, body, properties, mandatory=True)
        except UnroutableError:
            # Confirmed all the same, but no queue took it: the consumer has not declared its queue yet.
            raise NotPublishedError(f"no queue takes {routing_key}") from None
        except NackError:
            raise NotPublishedError("the broker refused the message") from None
        except (AMQPError, OSError) as fault:
            raise NotPublishedError(f"the broker does not answer: {fault!r}", broker_is_away=True) from fault

    def close(self) -> None:
        """End the connection; a later call would make a new one."""
        self._connection.close()


def _prepare(channel: BlockingChannel) -> None:
    topology.declare_exchange(channel)
    channel.confirm_delivery()
