"""A bucket on which S3 refuses all requests: logged once, retried, no obstacle to others, and fine when S3 is."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from chassis import health
from chassis.broker import topology
from chassis.broker.consumer import Consumer
from chassis.broker.depths import Depths
from chassis.broker.publisher import Publisher
from chassis.broker.topology import Queue
from chassis.broker.verdicts import TransientError
from chassis.envelope import Event
from chassis.health import CheckFailedError
from deadlines import until
from imaging import worker
from imaging.adapters import refusals
from imaging.adapters.storage import S3Storage
from imaging.domain import Job, Limits
from imaging.errors import BucketRefusedError, StorageError
from imaging.pipeline import render
from imaging.settings import ImagingSettings
from imaging.use_cases import Imaging
from pictures import photo
from s3 import BUCKET
from s3_front import REFUSALS, Front, fronted

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

OTHER = "others"
OF_A_BUCKET = sorted(REFUSALS.keys() - {"AccessDenied"})


@dataclass
class Stage:
    """An imaging worker on an S3 whose `front` can refuse; `told` are the answers it has published."""

    front: type[Front]
    storage: S3Storage
    uploads: ThreadPoolExecutor
    told: list[Event] = field(default_factory=list)

    def handle(self, key: str, bucket: str = BUCKET, kind: str = "image.created") -> None:
        self.work(self.job(key, bucket, kind))

    def job(self, key: str, bucket: str = BUCKET, kind: str = "image.created") -> Event:
        return Event(kind, "/catalog", "image-1", "request", asdict(Job("image-1", 1, bucket, key)))

    def work(self, job: Event) -> None:
        limits = Limits(10**6, 10**6, 10**4, 1024**3, ("JPEG",))
        imaging = Imaging(self.storage, lambda data: render(data, limits, (64, 128)), self.uploads, self.told.append)
        worker.handle(imaging, job, 1)

    def delayed(self, key: str, bucket: str = BUCKET, kind: str = "image.created") -> TransientError:
        with pytest.raises(TransientError) as fault:
            self.handle(key, bucket, kind)
        return fault.value


@pytest.fixture
def stage(s3_endpoint: str, s3: "S3Client", monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    s3.create_bucket(Bucket=OTHER)
    for bucket in (BUCKET, OTHER):
        s3.put_object(Bucket=bucket, Key="a.jpg", Body=photo(100, 80))
    # Long enough for a test to observe the pause, short enough to wait for its end.
    monkeypatch.setattr(refusals, "ASK_AGAIN_S", 0.3)
    with fronted(s3_endpoint) as (url, front), ThreadPoolExecutor(4) as uploads:
        settings = ImagingSettings(
            broker_url="amqp://unused",
            s3_endpoint_url=url,
            s3_access_key_id="test",
            s3_secret_access_key="test",
        )
        yield Stage(front, S3Storage(settings), uploads)
    for found in s3.list_objects_v2(Bucket=OTHER)["Contents"]:
        s3.delete_object(Bucket=OTHER, Key=found["Key"])
    s3.delete_bucket(Bucket=OTHER)


@pytest.mark.parametrize("code", OF_A_BUCKET)
@pytest.mark.parametrize("kind", ["image.created", "image.deleted"])
def test_jobs_of_a_refused_bucket_wait_unused_and_are_done_when_it_is_taken_again(
    stage: Stage, code: str, kind: str
) -> None:
    stage.storage.delete_thumbs(Job("image-1", 0, BUCKET, "a.jpg"))  # conditions of the bucket are known
    stage.front.refuses = code
    fault = stage.delayed("a.jpg", kind=kind)
    assert (fault.counts, fault.delay_s, fault.logged) == (False, topology.LONGEST_DELAY_S, True)
    assert stage.told == []
    stage.front.refuses = None

    def is_done() -> bool:
        try:
            stage.handle("a.jpg", kind=kind)
        except TransientError:
            return False
        return True

    until(is_done, 5, "the job is not done")
    assert [event.type for event in stage.told] == [
        "image.processed" if kind == "image.created" else "image.thumbs-deleted"
    ]


def test_refusal_is_one_line_however_many_jobs_wait_and_one_more_when_it_is_over(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.front.refuses = "InvalidAccessKeyId"
    for number in range(50):
        stage.delayed(f"{number}.jpg")
    said = capsys.readouterr().out
    assert said.count("S3 refuses a bucket") == 1
    assert "InvalidAccessKeyId" in said
    assert "access key id" in said
    stage.front.refuses = None

    def is_taken() -> bool:
        with suppress(CheckFailedError):
            return stage.storage.answers()
        return False

    until(is_taken, 5, "the bucket is refused still")
    assert capsys.readouterr().out.count("S3 takes a bucket again") == 1


def test_waiting_jobs_hardly_ask_s3(stage: Stage) -> None:
    stage.front.refuses = "SignatureDoesNotMatch"
    began = time.monotonic()
    for number in range(200):
        stage.delayed(f"{number}.jpg")
    rounds = 2 + (time.monotonic() - began) / refusals.ASK_AGAIN_S
    assert len(stage.front.calls) <= 3 * rounds, "an odd key has to be told from a bad secret, which takes two more"


def test_another_bucket_is_served_meanwhile(stage: Stage) -> None:
    stage.front.refuses, stage.front.refused_bucket = "NoSuchBucket", f"{BUCKET}/"
    stage.delayed("a.jpg")
    stage.handle("a.jpg", OTHER)
    assert [event.data["s3_bucket"] for event in stage.told] == [OTHER]


def test_denied_object_is_no_refusal_of_its_bucket(stage: Stage) -> None:
    stage.front.refuses = "AccessDenied"
    fault = stage.delayed("a.jpg")
    assert fault.counts
    assert stage.storage.answers()


def test_key_that_a_proxy_changes_is_no_refusal_of_its_bucket(stage: Stage) -> None:
    """A proxy changes the path of this key, so its signature is wrong although the credential is right."""
    stage.front.manner = "decodes-paths"
    fault = stage.delayed("a%2Fb.jpg")
    assert (fault.counts, fault.logged) == (True, False)
    stage.handle("a.jpg")
    assert [event.type for event in stage.told] == ["image.processed"]
    with pytest.raises(StorageError) as told:
        stage.storage.delete_thumbs(Job("image-1", 1, BUCKET, "a%2Fb.jpg"))
    assert not isinstance(told.value, BucketRefusedError)
    assert stage.storage.answers()


@pytest.mark.parametrize("code", OF_A_BUCKET)
def test_readiness_and_metric_tell_the_code_while_it_lasts(stage: Stage, code: str) -> None:
    def shown() -> tuple[object, object]:
        _, document = health.examine({}, {"s3": stage.storage.answers})
        return document["shared"], document.get("reasons")

    def metric() -> float | None:
        return REGISTRY.get_sample_value("imghost_s3_refused", {"bucket": BUCKET, "code": code})

    assert shown() == ({"s3": True}, None)
    stage.front.refuses, stage.front.refused_bucket = code, f"{BUCKET}/"
    stage.delayed("a.jpg")
    assert shown() == ({"s3": False}, {"s3": f"{BUCKET}: {code}"})
    assert metric() == 1
    stage.front.refuses = None
    until(lambda: shown() == ({"s3": True}, None), 5, "the refusal is shown still")
    assert metric() is None


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed"])
def test_readiness_tells_of_a_bad_credential_before_the_first_job(stage: Stage, code: str) -> None:
    stage.front.refuses = code
    _, document = health.examine({}, {"s3": stage.storage.answers})
    assert json.dumps(document["reasons"]) == json.dumps({"s3": code})


def test_many_jobs_of_a_refused_bucket_hold_up_none_of_another_and_all_are_done_in_the_end(
    stage: Stage, s3: "S3Client", broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "LONGEST_DELAY_S", 2)  # one of the delays there are
    for number in range(100):
        s3.put_object(Bucket=BUCKET, Key=f"{number}.jpg", Body=photo(70, 50))
    queue, publisher = Queue(f"test.{uuid4().hex}", ()), Publisher(broker_url, "test")
    consumer = Consumer(broker_url, queue, lambda event, _: stage.work(event), publisher, threads=2)
    stage.front.refuses, stage.front.refused_bucket = "SignatureDoesNotMatch", f"{BUCKET}/"
    with ThreadPoolExecutor(1) as loop:
        running = loop.submit(consumer.run)
        try:
            assert consumer.connected.wait(10)
            for number in range(100):
                publisher.send("", queue.name, stage.job(f"{number}.jpg").encode(), str(number), headers={})
            publisher.send("", queue.name, stage.job("a.jpg", OTHER).encode(), "other", headers={})
            until(lambda: [event.data["s3_bucket"] for event in stage.told] == [OTHER], 10, "the other bucket waits")
            stage.front.refuses = None
            until(lambda: len(stage.told) == 101, 30, "jobs of the bucket are left")
        finally:
            consumer.stop.set()
            running.result(20)
            publisher.close()
    assert {event.type for event in stage.told} == {"image.processed"}
    with closing(Depths(broker_url)) as depths:
        assert depths.measure(queue).dead == 0


def test_server_that_is_away_says_nothing_about_the_bucket(stage: Stage) -> None:
    settings = ImagingSettings(
        broker_url="amqp://unused", s3_endpoint_url="http://127.0.0.1:9", s3_access_key_id="t", s3_secret_access_key="t"
    )
    away = S3Storage(settings)
    for work in (away.read, away.delete_thumbs):
        with pytest.raises(StorageError) as fault:
            partial(work, Job("image-1", 1, BUCKET, "a.jpg"))()
        assert not isinstance(fault.value, BucketRefusedError)
    assert stage.storage.answers()
