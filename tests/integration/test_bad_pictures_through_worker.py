"""The worst of the bad pictures through a real worker, RabbitMQ and S3: each fails once and harms no good picture."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pika
import pytest
from moto.server import ThreadedMotoServer

from bad_pictures import library
from bad_pictures.case import RENDERED, Case
from chassis.broker import topology
from chassis.broker.publisher import Publisher
from chassis.envelope import Event
from deadlines import until
from imaging.worker import JOBS as QUEUE
from pictures import photo

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

BUCKET = "pics"
OF_EACH_KIND = 8
GOOD_EVERY = 5
# For all answers together. On a crowded machine the costly pictures may take several attempts.
WITHIN_S = 200.0
ANSWERS = ("image.processed", "image.failed")


def worst() -> list[Case]:
    """Return some cases of each kind, and all that use up CPU time or come near the limits."""
    taken: Counter[str] = Counter()
    chosen = []
    for case in library():
        taken[case.kind] += 1
        if taken[case.kind] <= OF_EACH_KIND or case.kind.startswith("bomb of") or "decode-too-costly" in case.outcomes:
            chosen.append(case)
    return chosen


@dataclass(frozen=True)
class Answer:
    """What the worker answered for an image: RENDERED, or the code of its failure."""

    image_id: str
    outcome: str
    data: dict[str, Any]


@pytest.fixture
def answers_queue(broker_url: str) -> Iterator[str]:
    """A queue of the test that receives every answer of the worker."""
    name = f"test.answers.{uuid4().hex}"
    connection = pika.BlockingConnection(pika.URLParameters(broker_url))
    channel = connection.channel()
    topology.declare(channel, QUEUE)
    channel.queue_purge(QUEUE.name)
    channel.queue_declare(name)
    for event_type in ANSWERS:
        channel.queue_bind(name, topology.EXCHANGE, event_type)
    connection.close()
    yield name
    connection = pika.BlockingConnection(pika.URLParameters(broker_url))
    channel = connection.channel()
    for each in (name, QUEUE.name, QUEUE.dead, *(QUEUE.retry(delay_s) for delay_s in topology.RETRY_DELAYS_S)):
        channel.queue_delete(each)
    connection.close()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(endpoint: str) -> "S3Client":
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture
def worker(broker_url: str, endpoint: str, answers_queue: str, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:  # noqa: ARG001
    """A worker as an operator starts it, with the default limits."""
    log = tmp_path / "worker.log"
    settings = {
        "IMAGING_BROKER_URL": broker_url,
        "IMAGING_S3_ENDPOINT_URL": endpoint,
        "IMAGING_S3_ACCESS_KEY_ID": "test",
        "IMAGING_S3_SECRET_ACCESS_KEY": "test",
        "IMAGING_PROCESSES": "2",
        "IMAGING_OPS_HOST": "127.0.0.1",
        "IMAGING_OPS_PORT": "0",
    }
    with log.open("wb") as file:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("imaging")), "worker"],
            env={"PATH": os.environ["PATH"], **settings},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        said = log.read_text()
        assert process.wait(30) == 0, said
    assert "handling failed" not in said
    assert "Traceback" not in said


def ask_for(publisher: Publisher, s3: "S3Client", image_id: str, data: bytes) -> None:
    """Put an original into S3 and ask for its thumbs, as catalog does."""
    key = f"in/{image_id}.jpg"
    s3.put_object(Bucket=BUCKET, Key=key, Body=data)
    job = {"image_id": image_id, "generation": 1, "s3_bucket": BUCKET, "s3_key": key}
    publisher.publish(Event("image.created", "/test", image_id, "request-1", job))


def take(broker_url: str, queue: str, count: int, within_s: float) -> list[Answer]:
    """Receive `count` answers from `queue`, and those that are there by then."""
    connection = pika.BlockingConnection(pika.URLParameters(broker_url))
    channel = connection.channel()
    answers: list[Answer] = []

    def drained() -> bool:
        while True:
            method, _, body = channel.basic_get(queue, auto_ack=True)
            if method is None or body is None:
                return len(answers) >= count
            event = Event.decode(body)
            answers.append(Answer(event.data["image_id"], event.data.get("code", RENDERED), event.data))

    try:
        until(drained, within_s, f"{count} answers of the worker")
    finally:
        connection.close()
    return answers


@pytest.mark.timeout(WITHIN_S + 90)
def test_worker_outlives_the_worst_pictures_and_each_fails_once_with_its_code(
    broker_url: str, s3: "S3Client", answers_queue: str, worker: subprocess.Popen[bytes]
) -> None:
    publisher = Publisher(broker_url, "test")
    cases = {f"bad-{number:04}": case for number, case in enumerate(worst())}
    good = {f"good-{number:04}": photo(640 + number, 480) for number in range(len(cases) // GOOD_EVERY)}
    order = [*cases, *good]
    order.sort(key=lambda image_id: int(image_id[-4:]) * (GOOD_EVERY if image_id in good else 1))
    for image_id in order:
        ask_for(publisher, s3, image_id, good.get(image_id) or cases[image_id].data)
    # The last job is sent once all others are answered: by its answer, any duplicate of theirs has arrived.
    answers = take(broker_url, answers_queue, len(order), WITHIN_S)
    ask_for(publisher, s3, "last", photo())
    answers += take(broker_url, answers_queue, 1, 30)
    publisher.close()

    assert worker.poll() is None
    assert Counter(answer.image_id for answer in answers) == Counter([*order, "last"])
    outcomes = {answer.image_id: answer.outcome for answer in answers}
    wrong = {case.name: outcomes[key] for key, case in cases.items() if outcomes[key] not in case.outcomes}
    assert not wrong
    assert {outcomes[image_id] for image_id in good} == {RENDERED}
    assert {"malformed", "too-large", "unsupported-format", "decode-too-costly"} <= set(outcomes.values())
    for answer in answers:
        thumbs = s3.list_objects_v2(Bucket=BUCKET, Prefix="in/t512/" + answer.image_id).get("Contents", [])
        assert len(thumbs) == (1 if answer.outcome == RENDERED else 0)
        assert answer.outcome == RENDERED or answer.data["detail"]
