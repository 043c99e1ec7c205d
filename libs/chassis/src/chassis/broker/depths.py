"""Depths of queues, as the broker tells them: what lies ready, and what waits for its next attempt."""

from dataclasses import dataclass

from pika.exceptions import AMQPError

from chassis.broker import topology
from chassis.broker.connection import KeptConnection
from chassis.broker.topology import Queue
from chassis.errors import DependencyDownError


@dataclass(frozen=True)
class Depth:
    """Messages of a queue: READY for any consumer, RETRYING later, DEAD. What a worker has in hand is in none.

    A broker that is itself in want of an answer tells of no messages and no CONSUMERS.
    """

    ready: int
    retrying: int
    dead: int
    consumers: int

    @property
    def is_idle(self) -> bool:
        """Tell whether there are consumers for sure, and nothing but what they have in hand."""
        return self.consumers > 0 and not (self.ready or self.retrying or self.dead)


class Depths:
    """Looks at queues over one connection, which is kept. Safe to share between threads."""

    def __init__(self, url: str) -> None:
        self._connection = KeptConnection(url, "depths", lambda _channel: None)

    def measure(self, queue: Queue) -> Depth:
        """Ask the broker how deep QUEUE is, which is declared if need be; raises DependencyDownError."""
        try:
            with self._connection.channel() as channel:
                topology.declare(channel, queue)

                def ready(name: str) -> int:
                    return int(channel.queue_declare(name, passive=True).method.message_count)

                retrying = sum(ready(queue.retry(delay_s)) for delay_s in topology.RETRY_DELAYS_S)
                dead, work = ready(queue.dead), channel.queue_declare(queue.name, passive=True).method
                return Depth(work.message_count, retrying, dead, work.consumer_count)
        except (AMQPError, OSError) as fault:
            raise DependencyDownError("message broker") from fault

    def close(self) -> None:
        """End the connection; a later look would make a new one."""
        self._connection.close()
