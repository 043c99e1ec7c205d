"""What becomes of a delivery: a pure decision, made by handling the message, which needs no broker to be tested."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pika
import structlog

from chassis import request_ids, tracing
from chassis.broker import topology
from chassis.envelope import Event, MalformedMessageError

log = structlog.get_logger(__name__)

CRASHES_REASON = "worker-crashes"
EXHAUSTED_REASON = "processing-exhausted"
# All reasons for which messages become dead letters: our own, and those of RabbitMQ (rabbitmq.com/docs/dlx).
REASONS = {
    *(CRASHES_REASON, EXHAUSTED_REASON, MalformedMessageError.code),
    *("rejected", "expired", "maxlen", "delivery-limit"),
}

_LATEST_MS = 253_402_300_800_000  # the year 10000, which datetime does not know

# Takes the event and the number of the attempt, from 1.
Handler = Callable[[Event, int], None]


class TransientError(Exception):
    """The message cannot be handled now, but later: it is retried without end, unless the error `counts` as an attempt.

    `delay_s`, one of the delays of the topology, replaces the growing delays. `logged` says that the cause is logged
    already: one that delays many messages is not logged as a warning for each of them.
    """

    def __init__(self, detail: str, *, counts: bool = False, delay_s: int | None = None, logged: bool = False) -> None:
        super().__init__(detail)
        self.counts = counts
        self.delay_s = delay_s
        self.logged = logged


@dataclass(frozen=True)
class Delivery:
    """A message as it was delivered.

    `attempt` counts from 1, and rises with each failure that counts as an attempt; `waits` counts all retries so far.
    `crashes` counts how often a worker that held the message was lost; `is_returned` says that this has just happened.
    `date_sent` is when it was put into its queue, None if the message does not tell, and `traceparent` the span that
    did so, empty if that was in no trace.
    """

    body: bytes
    message_id: str
    attempt: int = 1
    waits: int = 0
    crashes: int = 0
    is_returned: bool = False
    date_sent: datetime | None = None
    traceparent: str = ""


@dataclass(frozen=True)
class Ack:
    """The message is handled."""


@dataclass(frozen=True)
class RetryLater:
    """The message is delivered again after about `delay_s` seconds; `exhausts` says that this counts as an attempt."""

    delay_s: int
    exhausts: bool


@dataclass(frozen=True)
class DeadLetter:
    """The message is given up for `reason`."""

    reason: str


Verdict = Ack | RetryLater | DeadLetter


def judge(delivery: Delivery, handle: Handler, attempts: int) -> Verdict:
    """Have `handle` work on `delivery` and return the verdict; after `attempts` unexpected errors it is given up."""
    delay_s = topology.RETRY_DELAYS_S[min(delivery.waits, len(topology.RETRY_DELAYS_S) - 1)]
    try:
        event = Event.decode(delivery.body)
        request_ids.adopt(event.request_id)
        if delivery.is_returned:
            return _judge_returned(delivery, delay_s)
        handle(event, delivery.attempt)
    except MalformedMessageError as fault:
        log.warning("message given up", reason=fault.code, error=str(fault), message_id=delivery.message_id)
        return DeadLetter(fault.code)
    except TransientError as fault:
        delay_s = fault.delay_s or delay_s
        log_delay = log.debug if fault.logged else log.warning
        log_delay("message delayed", error=str(fault), delay_s=delay_s, message_id=delivery.message_id)
        return RetryLater(delay_s, exhausts=fault.counts)
    except Exception:
        log.exception("handling failed", attempt=delivery.attempt, message_id=delivery.message_id)
        return RetryLater(delay_s, exhausts=True) if delivery.attempt < attempts else DeadLetter(EXHAUSTED_REASON)
    return Ack()


def _judge_returned(delivery: Delivery, delay_s: int) -> RetryLater | DeadLetter:
    """Return the verdict for a message whose worker was lost: it is delayed before anybody works on it again.

    One of the messages that the worker held may have killed it. Delayed each for a while, the others are not held by
    the same worker as that one the next time.
    """
    if delivery.crashes > topology.DELIVERY_LIMIT:
        log.warning("message given up", reason=CRASHES_REASON, message_id=delivery.message_id)
        return DeadLetter(CRASHES_REASON)
    log.warning("message of a lost worker", delay_s=delay_s, message_id=delivery.message_id)
    return RetryLater(delay_s, exhausts=False)


def read_delivery(properties: pika.BasicProperties, body: bytes) -> Delivery:
    """Return the delivery of a message from the wire. Headers that are not ours, or not numbers, count as absent."""
    headers = properties.headers or {}

    def number(name: str) -> int:
        value = headers.get(name)
        return value if isinstance(value, int) and value > 0 else 0

    returns, sent_ms, traceparent = (
        number("x-delivery-count"),
        number(topology.SENT_HEADER),
        headers.get(tracing.HEADER),
    )
    crashes = number("x-crashes") + returns
    return Delivery(
        body=body,
        message_id=properties.message_id or "",
        attempt=1 + number("x-failures"),
        waits=number("x-waits"),
        crashes=crashes,
        is_returned=returns > 0,
        date_sent=datetime.fromtimestamp(sent_ms / 1000, UTC) if 0 < sent_ms < _LATEST_MS else None,
        traceparent=traceparent if isinstance(traceparent, str) else "",
    )


def counts_after(delivery: Delivery, verdict: RetryLater | DeadLetter) -> dict[str, str | int]:
    """Return the headers for the copy of a message that `verdict` sends on, which `read_delivery` reads again."""
    exhausts = isinstance(verdict, RetryLater) and verdict.exhausts
    return {
        "x-failures": delivery.attempt - 1 + (1 if exhausts else 0),
        "x-crashes": delivery.crashes,
        "x-waits": delivery.waits + 1,
        "x-reason": verdict.reason if isinstance(verdict, DeadLetter) else "",
        tracing.HEADER: delivery.traceparent,  # all attempts stand side by side
    }
