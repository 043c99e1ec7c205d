"""Dead letters: what was given up is moved from its queues to wherever people can work with it.

Looking into a queue delivers its messages again and counts; so nobody looks, a drain takes them out, and acks each when
it is kept elsewhere for good.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import uuid4

import pika
import structlog
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

from chassis.broker import topology
from chassis.broker.connection import parameters
from chassis.broker.topology import Queue
from chassis.errors import DependencyDownError

log = structlog.get_logger(__name__)

POLL_S = 1.0
_MAX_NAME = 255


@dataclass(frozen=True)
class DeadLetter:
    """A message given up by the consumers of QUEUE, or by the broker, for REASON; BODY is as it came."""

    queue: str
    message_id: str
    reason: str
    body: bytes


def read(queue: Queue, properties: pika.BasicProperties, body: bytes) -> DeadLetter:
    """Make a DeadLetter of what came over the wire; whoever sent it may have written anything into its headers.

    What has no message id gets one, so it counts as another each time that it is delivered.
    """
    headers = properties.headers or {}
    return DeadLetter(queue.name, printable(properties.message_id) or str(uuid4()), printable(_reason(headers)), body)


@dataclass
class Drain:
    """Takes the dead letters of QUEUES out of the broker and hands each to KEEP, until `stop` is set.

    KEEP returns once the letter is durable; a letter may come twice. Raises DependencyDownError where that has to wait.
    """

    url: str
    queues: tuple[Queue, ...]
    keep: Callable[[DeadLetter], None]
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Drain until `stop` is set, through every loss of the broker and of what keeps the letters."""
        while not self.stop.is_set():
            try:
                self._drain()
            except (AMQPError, OSError) as fault:
                log.warning("draining dead letters is delayed", error=repr(fault))
            except Exception:  # of a letter that cannot be kept: it must not take the other loops along
                log.exception("draining dead letters failed")
            self.stop.wait(POLL_S)

    def _drain(self) -> None:
        connection = pika.BlockingConnection(parameters(self.url, "dead letters"))
        try:
            channel = connection.channel()
            for queue in self.queues:
                topology.declare_dead(channel, queue)
            while not self.stop.is_set():
                moved = sum(self._take(channel, queue) for queue in self.queues)
                connection.process_data_events(0)  # heartbeats
                if not moved:
                    self.stop.wait(POLL_S)
        finally:
            if connection.is_open:
                connection.close()  # what was not acked goes back

    def _take(self, channel: BlockingChannel, queue: Queue) -> int:
        method, properties, body = channel.basic_get(queue.dead)
        if method is None or properties is None or body is None:  # all three, if the queue is empty
            return 0
        letter = read(queue, properties, body)
        log.warning("dead letter", queue=queue.name, reason=letter.reason, message_id=letter.message_id)
        tag = cast("int", method.delivery_tag)
        try:
            self.keep(letter)
        except DependencyDownError as fault:
            log.warning("draining dead letters is delayed", error=str(fault))
            channel.basic_reject(tag, requeue=True)  # rather than a new connection each second
            return 0
        channel.basic_ack(tag)
        return 1


def _reason(headers: Mapping[str, Any]) -> object:
    """Give the reason that a consumer of ours wrote, else the broker's own for the last time it gave the message up."""
    if headers.get("x-reason"):
        return headers["x-reason"]
    deaths = headers.get("x-death")
    last = deaths[0] if isinstance(deaths, list) and deaths else None
    return str(last.get("reason", "")).replace("_", "-") if isinstance(last, dict) else "unknown"


def printable(given: object) -> str:
    """Give GIVEN as text that databases and terminals take, of the length of a name."""
    return "".join(character for character in str(given or "") if character.isprintable())[:_MAX_NAME]
