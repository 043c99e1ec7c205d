"""What the worker retries, and what it reports as failed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from chassis.broker.verdicts import TransientError
from chassis.envelope import Event, MalformedMessageError
from imaging.domain import Rendering
from imaging.errors import DecodeTimeoutError, DecodeTooCostlyError, HostExhaustedError, StaleJobError, StorageError
from imaging.use_cases import Imaging
from imaging.worker import handle
from memory_storage import MemoryStorage

JOB = {"image_id": "image", "generation": 1, "s3_bucket": "pics", "s3_key": "a"}
CREATED = Event("image.created", "/catalog", "image", "request", JOB)


def handled(
    render: Callable[[bytes], Rendering], attempt: int, *, away: bool = False, event: Event = CREATED
) -> tuple[list[Event], MemoryStorage]:
    told: list[Event] = []
    storage = MemoryStorage()
    storage.put(event.data["s3_key"], b"original")

    def rendered(data: bytes) -> Rendering:
        storage.away = away
        return render(data)

    with ThreadPoolExecutor(1) as uploads:
        handle(Imaging(storage, rendered, uploads, told.append), event, attempt)
    return told, storage


def raising(fault: Exception) -> Callable[[bytes], Rendering]:
    def render(_data: bytes) -> Rendering:
        raise fault

    return render


@pytest.mark.parametrize("attempt", [1, 2])
def test_picture_that_is_late_by_the_clock_on_the_wall_is_tried_again_and_that_counts(attempt: int) -> None:
    with pytest.raises(TransientError) as told:
        handled(raising(DecodeTimeoutError("late")), attempt)
    assert told.value.counts


def test_picture_that_is_late_the_third_time_fails() -> None:
    told, storage = handled(raising(DecodeTimeoutError("late")), attempt=3)
    assert [(event.type, event.data["code"]) for event in told] == [("image.failed", "decode-too-costly")]
    assert len(storage.deletions) == 1


def test_picture_that_is_late_the_third_time_is_not_lost_when_s3_is_away_then() -> None:
    with pytest.raises(TransientError) as told:
        handled(raising(DecodeTimeoutError("late")), attempt=3, away=True)
    assert not told.value.counts


def test_picture_that_burns_its_cpu_time_fails_at_once() -> None:
    told, _ = handled(raising(DecodeTooCostlyError()), attempt=1)
    assert [event.data["code"] for event in told] == ["decode-too-costly"]


@pytest.mark.parametrize("fault", [HostExhaustedError("no memory"), StorageError("S3 is away")])
def test_what_is_not_the_pictures_fault_is_tried_again_and_never_counts(fault: Exception) -> None:
    with pytest.raises(TransientError) as told:
        handled(raising(fault), attempt=100)
    assert not told.value.counts


def test_late_job_is_done_and_tells_that_it_has_left_nothing() -> None:
    told, storage = handled(raising(StaleJobError(4)), attempt=1)
    assert [(event.type, event.data["newest_generation"]) for event in told] == [("image.thumbs-deleted", 4)]
    assert len(storage.deletions) == 1


@pytest.mark.parametrize("original", [True, False])
def test_original_is_deleted_with_the_thumbs_only_if_that_is_asked_for(original: bool) -> None:
    event = Event("image.deleted", "/catalog", "image", "request", {**JOB, "original": original})
    told, storage = handled(raising(AssertionError()), attempt=1, event=event)
    assert [(answer.type, answer.data["original"]) for answer in told] == [("image.thumbs-deleted", original)]
    assert len(storage.deletions) == 1
    assert (JOB["s3_key"] in storage.objects()) is not original


@pytest.mark.parametrize(
    "event",
    [
        Event("image.exploded", "/catalog", "image", "request", JOB),
        Event("image.created", "/catalog", "image", "request", {**JOB, "s3_key": "x" * 1025}),
        Event("image.created", "/catalog", "image", "request", {**JOB, "s3_key": ""}),
    ],
    ids=["of another type", "with a key that S3 refuses", "with no key"],
)
def test_job_that_can_never_be_done_is_malformed(event: Event) -> None:
    with pytest.raises(MalformedMessageError):
        handled(raising(AssertionError("nothing is to be rendered")), attempt=1, event=event)
