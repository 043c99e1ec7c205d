"""Consuming: a pure decision about each delivery, and a loop that applies it.

The connection's thread only talks to the broker; handlers run on other threads. The only orders are: effects
committed, then ack; retry copy confirmed, then ack; dead-letter copy confirmed, then ack.
"""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pika
import structlog
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ConsumerCancelled

from chassis import checkpoints, request_ids
from chassis.broker import topology
from chassis.broker.connection import parameters
from chassis.broker.publisher import NotPublishedError, Publisher
from chassis.broker.topology import Queue
from chassis.envelope import Event, MalformedMessageError
from chassis.metrics import DELIVERIES

log = structlog.get_logger(__name__)

CRASHES_REASON = "worker-crashes"
RECONNECT_S = (0.5, 5.0)
TICK_S = 1.0

# Gets the event and the number of the attempt, from 1.
Handler = Callable[[Event, int], None]


class TransientError(Exception):
    """The message will succeed later. Never exhausts the attempts, unless it COUNTS as one.

    DELAY_S, one of the delays of the topology, replaces the growing ones. What concerns many messages and has been TOLD
    in the log is not told again for each.
    """

    def __init__(self, detail: str, *, counts: bool = False, delay_s: int | None = None, told: bool = False) -> None:
        super().__init__(detail)
        self.counts = counts
        self.delay_s = delay_s
        self.told = told


@dataclass(frozen=True)
class Delivery:
    """A message as it came: ATTEMPT counts failures that exhaust, from 1, and WAITS all retries so far.

    CRASHES is how often it was in the hands of a worker that was gone before it was done, IS_RETURNED tells whether the
    last one was.
    """

    body: bytes
    message_id: str
    attempt: int = 1
    waits: int = 0
    crashes: int = 0
    is_returned: bool = False


@dataclass(frozen=True)
class Ack:
    """Done."""


@dataclass(frozen=True)
class RetryLater:
    """Bring the message back after some DELAY_S seconds; EXHAUSTS tells whether this counts as an attempt."""

    delay_s: int
    exhausts: bool


@dataclass(frozen=True)
class DeadLetter:
    """Give the message up for REASON."""

    reason: str


Verdict = Ack | RetryLater | DeadLetter


def judge(delivery: Delivery, handle: Handler, attempts: int) -> Verdict:
    """Let HANDLE work on DELIVERY and decide what becomes of it; ATTEMPTS is how often a defect may strike."""
    delay_s = topology.RETRY_DELAYS_S[min(delivery.waits, len(topology.RETRY_DELAYS_S) - 1)]
    if delivery.is_returned:
        return _judge_returned(delivery, delay_s)
    try:
        event = Event.decode(delivery.body)
        request_ids.adopt(event.request_id)
        handle(event, delivery.attempt)
    except MalformedMessageError as fault:
        log.warning("message given up", reason=fault.code, error=str(fault), message_id=delivery.message_id)
        return DeadLetter(fault.code)
    except TransientError as fault:
        delay_s = fault.delay_s or delay_s
        tell = log.debug if fault.told else log.warning
        tell("message delayed", error=str(fault), delay_s=delay_s, message_id=delivery.message_id)
        return RetryLater(delay_s, exhausts=fault.counts)
    except Exception:
        log.exception("handling failed", attempt=delivery.attempt, message_id=delivery.message_id)
        return RetryLater(delay_s, exhausts=True) if delivery.attempt < attempts else DeadLetter("processing-exhausted")
    return Ack()


def _judge_returned(delivery: Delivery, delay_s: int) -> RetryLater | DeadLetter:
    """Decide about what comes back from a worker that was lost: it is put off before anybody works on it again.

    Whichever of the messages in its hands killed that worker, the others must not be in the same hands the next time.
    """
    if delivery.crashes > topology.DELIVERY_LIMIT:
        log.warning("message given up", reason=CRASHES_REASON, message_id=delivery.message_id)
        return DeadLetter(CRASHES_REASON)
    log.warning("message of a lost worker", delay_s=delay_s, message_id=delivery.message_id)
    return RetryLater(delay_s, exhausts=False)


def read_delivery(properties: pika.BasicProperties, body: bytes) -> Delivery:
    """Make a Delivery of what came over the wire; headers that are not ours or not numbers count as absent."""
    headers = properties.headers or {}

    def number(name: str) -> int:
        value = headers.get(name)
        return value if isinstance(value, int) and value > 0 else 0

    returns = number("x-delivery-count")
    crashes = number("x-crashes") + returns
    return Delivery(
        body=body,
        message_id=properties.message_id or "",
        attempt=1 + number("x-failures"),
        waits=number("x-waits"),
        crashes=crashes,
        is_returned=returns > 0,
    )


@dataclass
class Consumer:
    """Takes messages from QUEUE, hands each to HANDLE on one of THREADS threads, and applies the verdict.

    `run` returns after `stop` was set: it stops taking, finishes the work in hand, flushes the acks and closes.
    """

    url: str
    queue: Queue
    handle: Handler
    publisher: Publisher
    threads: int
    attempts: int = 3
    prefetch: int | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    connected: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Consume until `stop` is set, through every loss of the broker."""
        pause_s = RECONNECT_S[0]
        while not self.stop.is_set():
            began = time.monotonic()
            try:
                self._consume()
            except (AMQPError, OSError) as fault:
                log.warning("broker lost", error=repr(fault), queue=self.queue.name)
            finally:
                self.connected.clear()
            pause_s = RECONNECT_S[0] if time.monotonic() - began > RECONNECT_S[1] else min(pause_s * 2, RECONNECT_S[1])
            self.stop.wait(pause_s)

    def _consume(self) -> None:
        connection = pika.BlockingConnection(parameters(self.url, f"{self.queue.name} consumer"))
        lost = threading.Event()
        pool = ThreadPoolExecutor(self.threads, thread_name_prefix=self.queue.name)
        try:
            channel = connection.channel()
            topology.declare(channel, self.queue)
            channel.basic_qos(prefetch_count=self.prefetch or self.threads)

            def work(tag: int, delivery: Delivery) -> None:
                acked = self._work_on(delivery, lost)
                if connection.is_open:  # else the broker delivers it again, and handlers bear that
                    connection.add_callback_threadsafe(partial(_settle, channel, tag, acked))

            def take(_channel: BlockingChannel, method: Any, properties: pika.BasicProperties, body: bytes) -> None:
                pool.submit(work, method.delivery_tag, read_delivery(properties, body))

            consuming = channel.basic_consume(self.queue.name, take)
            self.connected.set()
            log.info("consuming", queue=self.queue.name, threads=self.threads)
            while not self.stop.is_set():
                connection.process_data_events(TICK_S)
                # The connection outlives its channel (closed when an ack is overdue) and its queue (deleted).
                if channel.is_closed or consuming not in channel.consumer_tags:
                    raise ConsumerCancelled
            channel.basic_cancel(consuming)
            finishing = threading.Thread(target=pool.shutdown)
            finishing.start()
            while finishing.is_alive():
                connection.process_data_events(0.05)
            connection.process_data_events(0)  # the last acks were queued by the threads that have just ended
        finally:
            lost.set()
            pool.shutdown(cancel_futures=True)
            if connection.is_open:
                connection.close()

    def _work_on(self, delivery: Delivery, lost: threading.Event) -> bool:
        """Judge DELIVERY and bring the verdict about; return whether it may be acked, else it comes again.

        While the broker takes no copy the message is held, not returned: each return would count as a crash, and an
        alarm of a minute would end among the dead letters. Nothing holds it once the connection is LOST.
        """
        verdict = judge(delivery, self.handle, self.attempts)
        DELIVERIES.labels(self.queue.name, type(verdict).__name__).inc()
        while True:
            try:
                self._bring_about(delivery, verdict)
            except NotPublishedError as fault:
                log.warning("verdict not brought about", error=str(fault), message_id=delivery.message_id)
                if self.stop.wait(RECONNECT_S[0]) or lost.is_set():
                    return False
            except Exception:
                log.exception("verdict not brought about", message_id=delivery.message_id)
                return False
            else:
                checkpoints.reached(checkpoints.BROUGHT_ABOUT, delivery.message_id)
                return True

    def _bring_about(self, delivery: Delivery, verdict: Verdict) -> None:
        if isinstance(verdict, RetryLater):
            # Jitter, and only downwards: the queue's own limit is the delay, and order within it hardly changes.
            wait_ms = int(verdict.delay_s * 1000 * random.uniform(0.75, 1))  # noqa: S311
            self._copy(delivery, self.queue.retry(verdict.delay_s), verdict, wait_ms)
        elif isinstance(verdict, DeadLetter):
            self._copy(delivery, self.queue.dead, verdict, None)

    def _copy(self, delivery: Delivery, queue: str, verdict: RetryLater | DeadLetter, wait_ms: int | None) -> None:
        exhausts = isinstance(verdict, RetryLater) and verdict.exhausts
        headers: dict[str, str | int] = {
            "x-failures": delivery.attempt - 1 + (1 if exhausts else 0),
            "x-crashes": delivery.crashes,
            "x-waits": delivery.waits + 1,
            "x-reason": verdict.reason if isinstance(verdict, DeadLetter) else "",
        }
        self.publisher.send("", queue, delivery.body, delivery.message_id, headers=headers, expiration_ms=wait_ms)


def _settle(channel: BlockingChannel, tag: int, acked: bool) -> None:
    if channel.is_open:
        if acked:
            channel.basic_ack(tag)
        else:
            channel.basic_reject(tag, requeue=True)  # a nack does not count on every broker: it could go on for ever
