"""Dead letters: messages that were given up are moved out of the broker, to where people can work with them.

Looking at messages in a queue means having them delivered, which the broker counts. So a drain takes them out instead,
and acks each once it is stored elsewhere.
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

from chassis import request_ids
from chassis.broker import topology
from chassis.broker.connection import connect, reason
from chassis.broker.topology import Queue
from chassis.envelope import Event, MalformedMessageError
from chassis.errors import DependencyDownError

log = structlog.get_logger(__name__)

POLL_S = 1.0
_MAX_NAME = 255


@dataclass(frozen=True)
class DrainedMessage:
    """A message that the consumers of `queue`, or the broker, gave up for `reason`; `body` is as it came."""

    queue: str
    message_id: str
    reason: str
    body: bytes


def read(queue: Queue, properties: pika.BasicProperties, body: bytes) -> DrainedMessage:
    """Return the dead letter in a message from the wire, whose headers may hold anything.

    A message without an id gets a new one, so it counts as another letter each time that it is delivered.
    """
    headers = properties.headers or {}
    return DrainedMessage(
        queue.name, printable(properties.message_id) or str(uuid4()), printable(_reason(headers)), body
    )


@dataclass
class Drain:
    """Takes the dead letters of `queues` out of the broker and passes each to `keep`, until `stop` is set.

    `keep` returns once the letter is stored durably, and raises `DependencyDownError` if it cannot be stored now. The
    same letter may come twice.
    """

    url: str
    queues: tuple[Queue, ...]
    keep: Callable[[DrainedMessage], None]
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Drain until `stop` is set; retry whenever the broker, or the place where letters are stored, is lost."""
        while not self.stop.is_set():
            try:
                self._drain()
            except (AMQPError, OSError) as fault:
                log.warning("draining dead letters is delayed", error=reason(fault))
            except Exception:  # one letter that cannot be stored must not end the worker
                log.exception("draining dead letters failed")
            self.stop.wait(POLL_S)

    def _drain(self) -> None:
        connection = connect(self.url, "dead letters")
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
                connection.close()  # returns what was not acked to its queue

    def _take(self, channel: BlockingChannel, queue: Queue) -> int:
        method, properties, body = channel.basic_get(queue.dead)
        if method is None or properties is None or body is None:  # all three are None if the queue is empty
            return 0
        letter = read(queue, properties, body)
        request_ids.adopt(_request_id(body))
        log.warning("dead letter", queue=queue.name, reason=letter.reason, message_id=letter.message_id)
        tag = cast("int", method.delivery_tag)
        try:
            self.keep(letter)
        except DependencyDownError as fault:
            log.warning("draining dead letters is delayed", error=str(fault))
            channel.basic_reject(tag, requeue=True)  # instead of opening a new connection each second
            return 0
        channel.basic_ack(tag)
        return 1


def _request_id(body: bytes) -> str:
    try:
        return Event.decode(body).request_id
    except MalformedMessageError:
        return ""


def _reason(headers: Mapping[str, Any]) -> object:
    """Return the reason that our consumer wrote, else the broker's for the last time it dead-lettered the message."""
    if headers.get("x-reason"):
        return headers["x-reason"]
    deaths = headers.get("x-death")
    last = deaths[0] if isinstance(deaths, list) and deaths else None
    return str(last.get("reason", "")).replace("_", "-") if isinstance(last, dict) else "unknown"


def printable(given: object) -> str:
    """Return `given` as a text of limited length without control characters, for databases and terminals."""
    return "".join(character for character in str(given or "") if character.isprintable())[:_MAX_NAME]
