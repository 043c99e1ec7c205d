"""What the tests themselves do at the broker: count messages, send poison and copies, hold results back."""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import pika
from pika.adapters.blocking_connection import BlockingChannel

from catalog.jobs.queues import OURS
from chassis import envelope
from chassis.broker.topology import EXCHANGE, RETRY_DELAYS_S, Queue
from imaging.worker import DELETIONS, JOBS

WORKED = (JOBS, DELETIONS, *OURS)
IDLE_S = 0.1


@dataclass(frozen=True)
class Message:
    """A message with its body as it is; its type is the routing key."""

    type: str
    body: bytes
    message_id: str = field(default_factory=lambda: str(uuid4()))


@contextmanager
def channel(url: str) -> Iterator[BlockingChannel]:
    """Open a channel with publisher confirms."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        opened = connection.channel()
        opened.confirm_delivery()
        yield opened
    finally:
        if connection.is_open:
            connection.close()


def depths(url: str) -> Mapping[str, int]:
    """Count the ready messages of each work queue, of its retry queues and of its dead-letter queue."""
    names = [
        name
        for queue in WORKED
        for name in (queue.name, queue.dead, *(queue.retry(delay_s) for delay_s in RETRY_DELAYS_S))
    ]
    with channel(url) as opened:
        return {name: opened.queue_declare(name, passive=True).method.message_count for name in names}


def purge_dead_letters(url: str) -> None:
    """Delete all dead letters."""
    with channel(url) as opened:
        for queue in WORKED:
            opened.queue_purge(queue.dead)


def send(url: str, queue: Queue, *messages: Message) -> None:
    """Put messages into a work queue, past the exchange."""
    with channel(url) as opened:
        for message in messages:
            deliver(opened, queue, message)


def deliver(opened: BlockingChannel, queue: Queue, message: Message) -> None:
    """Put a message straight into a work queue, past the exchange."""
    properties = pika.BasicProperties(
        content_type=envelope.CONTENT_TYPE, delivery_mode=2, message_id=message.message_id
    )
    opened.basic_publish("", queue.name, message.body, properties, mandatory=True)


@contextmanager
def copied(url: str, copies: int) -> Iterator[None]:
    """Deliver `copies` copies more of every message during the block."""

    def copy(opened: BlockingChannel, message: Message) -> None:
        queue = next(queue for queue in WORKED if message.type in queue.types)
        for _ in range(copies):
            deliver(opened, queue, message)

    with tapped(url, WORKED, copy):
        yield


@contextmanager
def results_held_back(url: str) -> Iterator[list[Message]]:
    """Hold all results back during the block, then release them in reverse order."""
    held: list[Message] = []
    bindings = {event_type: queue for queue in OURS for event_type in queue.types}
    with tapped(url, OURS, lambda _opened, message: held.append(message)):
        with channel(url) as opened:
            for event_type, queue in bindings.items():
                opened.queue_unbind(queue.name, EXCHANGE, event_type)
        try:
            yield held
        finally:
            # Bind again first: a result that comes in between is delivered twice, which is harmless to catalog.
            with channel(url) as opened:
                for event_type, queue in bindings.items():
                    opened.queue_bind(queue.name, EXCHANGE, event_type)
    for message in reversed(held):
        send(url, bindings[message.type], message)


@contextmanager
def tapped(url: str, queues: Collection[Queue], take: Callable[[BlockingChannel, Message], None]) -> Iterator[None]:
    """Call `take` on a thread of its own with every message that goes to `queues` during the block."""
    stop = threading.Event()
    with channel(url) as opened:
        name = opened.queue_declare("", exclusive=True).method.queue
        for event_type in {event_type for queue in queues for event_type in queue.types}:
            opened.queue_bind(name, EXCHANGE, event_type)

        def consume() -> None:
            for method, properties, body in opened.consume(name, auto_ack=True, inactivity_timeout=IDLE_S):
                if method is not None and properties is not None and body is not None:
                    take(opened, Message(method.routing_key or "", body, properties.message_id or ""))
                elif stop.is_set():
                    break
            opened.cancel()

        thread = threading.Thread(target=consume)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
