"""Depths of queues: how many messages the broker holds ready, waiting for a retry, and as dead letters."""

from dataclasses import dataclass

from pika.exceptions import AMQPError

from chassis.broker import topology
from chassis.broker.connection import KeptConnection, reason
from chassis.broker.topology import Queue
from chassis.errors import DependencyDownError


@dataclass(frozen=True)
class Depth:
    """The messages of a work queue: `ready` for a consumer, `retrying` later, and `dead`.

    Messages that a worker holds are in none of them. A RabbitMQ node that gets no answer from the queue itself reports
    0 messages and 0 `consumers`.
    """

    ready: int
    retrying: int
    dead: int
    consumers: int

    @property
    def is_idle(self) -> bool:
        """True if there are consumers, and no messages but those that they hold.

        Without consumers the zeros may mean that the broker does not know.
        """
        return self.consumers > 0 and not (self.ready or self.retrying or self.dead)


class Depths:
    """Measures queues over one connection, which stays open. Threads may share it."""

    def __init__(self, url: str) -> None:
        self._connection = KeptConnection(url, "depths")

    def measure(self, queue: Queue) -> Depth:
        """Return the depth of `queue`, which is declared if missing. Raise `DependencyDownError` without a broker."""
        try:
            with self._connection.channel() as channel:
                topology.declare(channel, queue)

                def ready(name: str) -> int:
                    return int(channel.queue_declare(name, passive=True).method.message_count)

                retrying = sum(ready(queue.retry(delay_s)) for delay_s in topology.RETRY_DELAYS_S)
                dead, work = ready(queue.dead), channel.queue_declare(queue.name, passive=True).method
                return Depth(work.message_count, retrying, dead, work.consumer_count)
        except (AMQPError, OSError) as fault:
            raise DependencyDownError("message broker", reason(fault)) from fault

    def close(self) -> None:
        """Close the connection; a later measurement would open a new one."""
        self._connection.close()
