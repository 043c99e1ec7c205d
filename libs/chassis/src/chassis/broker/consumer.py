"""Consuming: a loop that takes messages from a queue, has each judged, and applies the verdict.

The connection's thread only talks to the broker; handlers run on other threads. The ack always comes last: after the
effects of the message are committed, or after the broker has confirmed the copy for the retry queue or dead letters.
"""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import pika
import structlog
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ConsumerCancelled

from chassis import checkpoints, stages, tracing
from chassis.broker import metrics, topology
from chassis.broker.connection import connect, reason
from chassis.broker.errors import NotPublishedError
from chassis.broker.publisher import Publisher
from chassis.broker.topology import Queue
from chassis.broker.verdicts import (
    Ack,
    DeadLetter,
    Delivery,
    Handler,
    RetryLater,
    Verdict,
    counts_after,
    judge,
    read_delivery,
)
from chassis.clock import now
from chassis.envelope import Event

if TYPE_CHECKING:
    from chassis.tracing import Attributes

log = structlog.get_logger(__name__)

RECONNECT_S = (0.5, 5.0)
TICK_S = 1.0
# The names of verdicts in metrics.
_NAMES: dict[type[Verdict], str] = {Ack: "ack", RetryLater: "retry", DeadLetter: "dead-letter"}


@dataclass
class Consumer:
    """Takes messages from `queue`, handles each on one of `threads` threads, and applies the verdict.

    Once `stop` is set, `run` takes no more messages, finishes those in hand, sends their acks, closes and returns.
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
        """Consume until `stop` is set; whenever the broker is lost, connect again."""
        for name in _NAMES.values():  # a counter that begins with its first event hides it from rates
            metrics.DELIVERIES.labels(self.queue.name, name)
        metrics.REDELIVERIES.labels(self.queue.name)
        pause_s = RECONNECT_S[0]
        while not self.stop.is_set():
            began = time.monotonic()
            try:
                self._consume()
            except (AMQPError, OSError) as fault:
                log.warning("broker lost", error=reason(fault), queue=self.queue.name)
            finally:
                self.connected.clear()
                metrics.CONSUMING.labels(self.queue.name).set(0)
                metrics.UNACKED.labels(self.queue.name).set(0)  # the broker delivers them to others
            pause_s = RECONNECT_S[0] if time.monotonic() - began > RECONNECT_S[1] else min(pause_s * 2, RECONNECT_S[1])
            self.stop.wait(pause_s)

    def _consume(self) -> None:
        connection = connect(self.url, f"{self.queue.name} consumer")
        lost = threading.Event()
        pool = ThreadPoolExecutor(self.threads, thread_name_prefix=self.queue.name)
        try:
            channel = connection.channel()
            topology.declare(channel, self.queue)
            channel.basic_qos(prefetch_count=self.prefetch or self.threads)

            def work(tag: int, delivery: Delivery) -> None:
                acked = self._work_on(delivery, lost)
                if connection.is_open:  # else the broker delivers it again; handlers are idempotent
                    connection.add_callback_threadsafe(partial(self._settle, channel, tag, acked))

            def take(_channel: BlockingChannel, method: Any, properties: pika.BasicProperties, body: bytes) -> None:
                metrics.UNACKED.labels(self.queue.name).inc()
                pool.submit(work, method.delivery_tag, read_delivery(properties, body))

            consuming = channel.basic_consume(self.queue.name, take)
            self.connected.set()
            metrics.CONSUMING.labels(self.queue.name).set(1)
            log.info("consuming", queue=self.queue.name, threads=self.threads)
            while not self.stop.is_set():
                connection.process_data_events(TICK_S)
                # The connection stays open when its channel is closed (an ack is overdue) or its queue is deleted.
                if channel.is_closed or consuming not in channel.consumer_tags:
                    raise ConsumerCancelled
            channel.basic_cancel(consuming)
            finishing = threading.Thread(target=pool.shutdown)
            finishing.start()
            while finishing.is_alive():
                connection.process_data_events(0.05)
            connection.process_data_events(0)  # sends the acks of the threads that have just ended
        finally:
            lost.set()
            pool.shutdown(cancel_futures=True)
            if connection.is_open:
                connection.close()

    def _work_on(self, delivery: Delivery, lost: threading.Event) -> bool:
        """Judge `delivery` and apply the verdict. Return whether it may be acked; if not, it is delivered again.

        While the broker does not take the copy, as under a memory alarm, the message is held, not returned: each return
        counts as a crash, so an alarm of a minute would make it a dead letter. It is no longer held once the connection
        is `lost`, since the broker has then delivered it to somebody else.
        """
        if delivery.is_returned:
            metrics.REDELIVERIES.labels(self.queue.name).inc()
        try:
            with self._span(delivery):
                return self._work_on_traced(delivery, lost)
        finally:
            structlog.contextvars.clear_contextvars()  # what this thread logs next is not about this message

    def _span(self, delivery: Delivery) -> tracing.Span:
        if not tracing.is_on():
            return tracing.NOTHING
        attributes: Attributes = {
            "messaging.system": "rabbitmq",
            "messaging.destination.name": self.queue.name,
            "messaging.message.id": delivery.message_id,
            "imghost.attempt": delivery.attempt,
        }
        if delivery.date_sent is not None:
            tracing.waited(f"wait in {self.queue.name}", delivery.date_sent, delivery.traceparent, attributes)
        return tracing.work(
            f"process {self.queue.name}", "consumer", parent=delivery.traceparent, attributes=attributes
        )

    def _work_on_traced(self, delivery: Delivery, lost: threading.Event) -> bool:
        with metrics.HANDLING.labels(self.queue.name).time():
            verdict = judge(delivery, partial(self._handle, delivery), self.attempts)
        tracing.current().set("imghost.verdict", _NAMES[type(verdict)])
        metrics.DELIVERIES.labels(self.queue.name, _NAMES[type(verdict)]).inc()
        while True:
            try:
                self._apply(delivery, verdict)
            except NotPublishedError as fault:
                log.warning("verdict not applied", error=str(fault), message_id=delivery.message_id)
                if self.stop.wait(RECONNECT_S[0]) or lost.is_set():
                    return False
            except Exception:
                log.exception("verdict not applied", message_id=delivery.message_id)
                return False
            else:
                checkpoints.reached(checkpoints.VERDICT_APPLIED, delivery.message_id)
                return True

    def _apply(self, delivery: Delivery, verdict: Verdict) -> None:
        if isinstance(verdict, RetryLater):
            # Jitter only shortens the wait: the retry queue's own time limit is the whole delay.
            wait_ms = int(verdict.delay_s * 1000 * random.uniform(0.75, 1))  # noqa: S311
            self._send_copy(delivery, self.queue.retry(verdict.delay_s), verdict, wait_ms)
        elif isinstance(verdict, DeadLetter):
            self._send_copy(delivery, self.queue.dead, verdict, None)

    def _send_copy(self, delivery: Delivery, queue: str, verdict: RetryLater | DeadLetter, wait_ms: int | None) -> None:
        headers = counts_after(delivery, verdict)
        self.publisher.send("", queue, delivery.body, delivery.message_id, headers=headers, expiration_ms=wait_ms)

    def _handle(self, delivery: Delivery, event: Event, attempt: int) -> None:
        spent = stages.begin()
        if delivery.date_sent is not None:
            spent["queue"] = max(0.0, (now() - delivery.date_sent).total_seconds())
        if not delivery.waits:  # later attempts have waited on purpose
            waited_s = (now() - event.time).total_seconds()
            metrics.WAITING.labels(self.queue.name).observe(max(0.0, waited_s))  # clocks may differ
        self.handle(event, attempt)

    def _settle(self, channel: BlockingChannel, tag: int, acked: bool) -> None:
        if not channel.is_open:
            return
        metrics.UNACKED.labels(self.queue.name).dec()
        if acked:
            channel.basic_ack(tag)
        else:
            # Rejected rather than nacked, which not every broker counts: the message might come back without end.
            channel.basic_reject(tag, requeue=True)
