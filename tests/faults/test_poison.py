"""Poison: messages that no service of ours sends become dead letters at once, and delay no other message."""

import json
from uuid import uuid4

import pytest

from chassis import checkpoints
from chassis.envelope import Event
from deadlines import until
from faults import audit, broker
from faults.broker import WORKED, Message
from faults.stack import BUCKET
from faults.trial import Trial

GIVEN_UP_S = 120.0  # a message that kills its worker is delayed longer each time
HUGE = 5_000_000


def event(event_type: str, **data: object) -> bytes:
    """Return an encoded event of a job or a result, complete except for what `data` changes."""
    known = {"image_id": str(uuid4()), "generation": 1, "s3_bucket": BUCKET, "s3_key": "poison.png"}
    return Event(event_type, "/poison", "", "poison", {**known, **data}).encode()


def poison(kind: str, event_type: str) -> Message:
    """Return a poison message of a kind, for a queue that takes `event_type`."""
    match kind:
        case "not-json":
            return Message(event_type, b"\x00\xff not JSON")
        case "no-cloudevent":
            return Message(event_type, json.dumps({"image_id": "1", "s3_key": "poison.png"}).encode())
        case "lacking-fields":
            return Message(event_type, Event(event_type, "/poison", "", "", {"s3_key": "poison.png"}).encode())
        case "unknown-type":
            return Message(event_type, event("image.exploded", foreign=True))
        case _:
            return Message(event_type, event(event_type, s3_key="x" * HUGE, source_etag="x" * HUGE))


@pytest.mark.parametrize("kind", ["not-json", "no-cloudevent", "lacking-fields", "unknown-type", "huge"])
def test_poison(trial: Trial, kind: str) -> None:
    trial.dead = {queue.name: 1 for queue in WORKED}

    def fault() -> None:
        for queue in WORKED:
            broker.send(trial.stack.amqp_url(), queue, poison(kind, queue.types[0]))
        until(lambda: audit.dead_letters(trial.stack) == trial.dead, GIVEN_UP_S, "the poison is not given up")

    trial.survives(fault)


def test_job_that_kills_its_worker_each_time(trial: Trial) -> None:
    client = trial.bystander()
    key = f"{client.prefix}/deadly.png"
    trial.dead = {"imaging.jobs": 1}
    trial.failed = {key: "processing-exhausted"}

    def fault() -> None:
        with trial.stack.armed("imaging", checkpoints.WRITTEN, "die-always", key):
            client.put_original(key)
            client.send("register", key)
            until(lambda: audit.dead_letters(trial.stack), GIVEN_UP_S, "the job is not given up")

    trial.survives(fault, hit={"imaging"})
