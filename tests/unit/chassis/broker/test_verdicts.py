from dataclasses import replace

import pika
import pytest

from chassis.broker.topology import DELIVERY_LIMIT, RETRY_DELAYS_S
from chassis.broker.verdicts import (
    Ack,
    DeadLetter,
    Delivery,
    RetryLater,
    TransientError,
    Verdict,
    counts_after,
    judge,
    read_delivery,
)
from chassis.envelope import Event, MalformedMessageError

BODY = Event("image.created", "/test", "subject", "request", {"a": 1}).encode()


def judged(fault: Exception | None, attempt: int = 1, waits: int = 0) -> Verdict:
    def handle(_event: Event, _attempt: int) -> None:
        if fault is not None:
            raise fault

    return judge(Delivery(BODY, "id", attempt, waits), handle, attempts=3)


def test_handled_message_is_acked() -> None:
    assert judged(None) == Ack()


def test_message_that_is_no_event_is_given_up_at_once() -> None:
    assert judge(Delivery(b"junk", "id"), lambda *_: None, attempts=3) == DeadLetter("malformed-message")
    assert judged(MalformedMessageError("fields")) == DeadLetter("malformed-message")


@pytest.mark.parametrize("waits", [0, 3, 100])
def test_fault_of_a_dependency_never_exhausts_the_attempts(waits: int) -> None:
    delay_s = RETRY_DELAYS_S[min(waits, len(RETRY_DELAYS_S) - 1)]
    assert judged(TransientError("S3"), attempt=3, waits=waits) == RetryLater(delay_s, exhausts=False)


def test_handler_may_say_how_long_to_wait_and_that_the_cause_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    assert judged(TransientError("S3", delay_s=30, logged=True)) == RetryLater(30, exhausts=False)
    assert "warning" not in capsys.readouterr().out
    judged(TransientError("S3"))
    assert "warning" in capsys.readouterr().out


def test_defect_exhausts_the_attempts() -> None:
    assert judged(RuntimeError(), attempt=2) == RetryLater(RETRY_DELAYS_S[0], exhausts=True)
    assert judged(RuntimeError(), attempt=3) == DeadLetter("processing-exhausted")


def test_lost_workers_are_counted_apart_from_failures() -> None:
    headers = {"x-failures": 1, "x-delivery-count": 1, "x-crashes": 2, "x-waits": 4}
    delivery = read_delivery(pika.BasicProperties(message_id="id", headers=headers), b"")
    assert delivery == Delivery(b"", "id", attempt=2, waits=4, crashes=3, is_returned=True)


def test_copy_of_a_message_carries_its_counts() -> None:
    delivery = Delivery(BODY, "id", attempt=2, waits=4, crashes=3, is_returned=True)
    for verdict, attempt in ((RetryLater(1, exhausts=True), 3), (RetryLater(1, exhausts=False), 2)):
        headers = counts_after(delivery, verdict)
        copy = read_delivery(pika.BasicProperties(message_id="id", headers=headers), BODY)
        assert copy == Delivery(BODY, "id", attempt, waits=5, crashes=3)
    assert counts_after(delivery, DeadLetter("why"))["x-reason"] == "why"


def never(_event: Event, _attempt: int) -> None:
    raise AssertionError("never called")


@pytest.mark.parametrize("crashes", [1, DELIVERY_LIMIT])
def test_message_of_a_lost_worker_is_delayed_before_it_is_handled(crashes: int) -> None:
    returned = Delivery(BODY, "id", waits=crashes - 1, crashes=crashes, is_returned=True)
    assert judge(returned, never, attempts=3) == RetryLater(RETRY_DELAYS_S[crashes - 1], exhausts=False)
    assert judge(replace(returned, is_returned=False), lambda *_: None, attempts=3) == Ack()


def test_message_that_kills_every_worker_is_given_up() -> None:
    killer = Delivery(BODY, "id", crashes=DELIVERY_LIMIT + 1, is_returned=True)
    assert judge(killer, never, attempts=3) == DeadLetter("worker-crashes")


def test_headers_that_are_not_ours_count_as_absent() -> None:
    headers: dict[str, str | int | None] = {"x-failures": "many", "x-delivery-count": -5, "x-waits": None}
    delivery = read_delivery(pika.BasicProperties(headers=headers), b"")
    assert (delivery.attempt, delivery.waits, delivery.message_id) == (1, 0, "")
