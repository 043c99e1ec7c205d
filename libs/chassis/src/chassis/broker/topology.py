"""Exchanges and queues, declared by every process that uses them; declaring them again changes nothing.

It works alike on RabbitMQ 3.10 to 4.x: the delivery limit is set, not left to the broker's default. Dead-lettering is
at least once, which the broker does only for queues that refuse publishers when full, rather than drop messages.
"""

from dataclasses import dataclass
from typing import Any

from pika.adapters.blocking_connection import BlockingChannel
from pika.channel import Channel

# The header of a message with the time at which it was put into its queue, in milliseconds since 1970.
SENT_HEADER = "x-sent-ms"
EXCHANGE = "imghost"
# The broker counts deliveries that return without an ack, because the worker died. Our consumers move such a message
# into a retry queue and count on themselves; the broker's own limit is for consumers that die before they can.
DELIVERY_LIMIT = 5
# The other queues have no workers, and looking at a message must not use it up: with the broker's default limit of 20,
# a dead letter would be dropped when it is looked at for the 21st time.
NO_LIMIT = 2**31 - 1
RETRY_DELAYS_S = (1, 2, 4, 8, 16, 30)
SHORTEST_DELAY_S, LONGEST_DELAY_S = RETRY_DELAYS_S[0], RETRY_DELAYS_S[-1]


@dataclass(frozen=True)
class Queue:
    """A work queue bound to the message types it takes, with a dead-letter queue and one retry queue for each delay.

    `formerly` are types that it took in an earlier release, which another queue takes now.
    """

    name: str
    types: tuple[str, ...]
    formerly: tuple[str, ...] = ()

    @property
    def dead(self) -> str:
        """The name of its dead-letter queue."""
        return f"{self.name}.dead"

    def retry(self, delay_s: int) -> str:
        """Return the name of the queue where a copy waits for at most `delay_s` seconds before it comes back."""
        return f"{self.name}.retry.{delay_s}s"


def declare_exchange(channel: BlockingChannel | Channel) -> None:
    """Declare the topic exchange that all events go through."""
    channel.exchange_declare(EXCHANGE, exchange_type="topic", durable=True)


def declare_dead(channel: BlockingChannel, queue: Queue) -> None:
    """Declare the dead-letter queue of `queue`."""
    channel.queue_declare(queue.dead, durable=True, arguments=_quorum(NO_LIMIT))


def declare(channel: BlockingChannel, queue: Queue) -> None:
    """Declare `queue`, its dead-letter queue and its retry queues, and bind it to the types it takes and no others."""
    declare_exchange(channel)
    declare_dead(channel, queue)
    channel.queue_declare(queue.name, durable=True, arguments=_quorum(DELIVERY_LIMIT, to=queue.dead))
    for delay_s in RETRY_DELAYS_S:
        channel.queue_declare(
            queue.retry(delay_s),
            durable=True,
            arguments={**_quorum(NO_LIMIT, to=queue.name), "x-message-ttl": delay_s * 1000},
        )
    for event_type in queue.types:
        channel.queue_bind(queue.name, EXCHANGE, event_type)
    for event_type in queue.formerly:
        channel.queue_unbind(queue.name, EXCHANGE, event_type)


def _quorum(delivery_limit: int, to: str | None = None) -> dict[str, Any]:
    arguments: dict[str, Any] = {"x-queue-type": "quorum", "x-delivery-limit": delivery_limit}
    if to is not None:
        arguments |= {
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": to,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
    return arguments
