"""Exchanges and queues: what a queue of ours is like, declared by whoever uses it, in any order, any number of times.

Works alike on RabbitMQ 3.10 to 4.x: the delivery limit is set, never left to the broker's default, and what a queue
gives up travels on at least once, which needs publishers to be refused rather than messages dropped.
"""

from dataclasses import dataclass
from typing import Any

from pika.adapters.blocking_connection import BlockingChannel

EXCHANGE = "imghost"
# A delivery that comes back without an acknowledgement has killed its worker, or the worker was killed: it counts. The
# consumers put what came back into a retry queue and go on counting; the broker's limit is for those that cannot.
DELIVERY_LIMIT = 5
# Nobody works in the other queues, and what looks into them must not use their messages up: the broker's default
# limit of 20 would drop a dead letter that was looked at so often.
NO_LIMIT = 2**31 - 1
RETRY_DELAYS_S = (1, 2, 4, 8, 16, 30)
LONGEST_DELAY_S = RETRY_DELAYS_S[-1]


@dataclass(frozen=True)
class Queue:
    """A work queue, bound to the message types it takes, with a dead-letter queue and one queue a retry delay."""

    name: str
    types: tuple[str, ...]

    @property
    def dead(self) -> str:
        """The name of the queue of what was given up."""
        return f"{self.name}.dead"

    def retry(self, delay_s: int) -> str:
        """Name the queue in which a copy waits DELAY_S seconds at most before it returns to this queue."""
        return f"{self.name}.retry.{delay_s}s"


def declare_exchange(channel: BlockingChannel) -> None:
    """Declare the topic exchange that all events go through."""
    channel.exchange_declare(EXCHANGE, exchange_type="topic", durable=True)


def declare_dead(channel: BlockingChannel, queue: Queue) -> None:
    """Declare the queue of what was given up of QUEUE."""
    channel.queue_declare(queue.dead, durable=True, arguments=_quorum(NO_LIMIT))


def declare(channel: BlockingChannel, queue: Queue) -> None:
    """Declare QUEUE, its dead letters and its retries, and bind it to the types it takes."""
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
