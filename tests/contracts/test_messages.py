"""Recorded messages keep both ends compatible: what one service sends is what the other can read."""

from dataclasses import replace
from pathlib import Path

import pytest

from auth import messages as auth_messages
from catalog import messages as catalog_messages
from catalog.domain import Failed, Fault, Installation, JobKind, Picture, Processed, Registration, Thumb, ThumbsDeleted
from catalog.domain import Job as CatalogJob
from catalog.jobs import queues
from chassis.clock import now
from chassis.envelope import Event, MalformedMessageError
from imaging import domain as imaging_domain
from imaging import messages as imaging_messages
from imaging import worker
from imaging.domain import Job, Original, Rendering
from imaging.errors import UnsupportedFormatError

RECORDED = Path(__file__).parent / "messages"
ALL = sorted(path.stem for path in RECORDED.glob("*.json"))
JOBS = ("image.created", "image.reprocess", "image.deleted")
IMAGE_ID = "0f6f2f0e-52b7-4a53-9df1-6b1c1a1f1a11"
USER_ID = "22222222-2222-2222-2222-222222222222"
INSTALLATION = Installation("5f1d5e0a-8a53-4c8e-9f0b-3c2f6f8d7e21", owns_unmarked=True)
REGISTRATION = Registration(IMAGE_ID, 3, "pics", "01V9PaTx/my image ä.jpg")
JOB = Job(IMAGE_ID, 3, "pics", "01V9PaTx/my image ä.jpg", INSTALLATION.installation_id)
SHA256 = "5a1c31b5a7d5e5bb2fd0f7bd8c0c47f0b1a8a92a3c9d7a0c4f8e5d6b3a2c1f90"
# Fields that an earlier release does not send yet.
ADDED = {"installation_id", "owns_unmarked", "newest_generation", "sha256", "original", "display"}


def job(kind: str) -> Job:
    """Return what imaging reads of the recorded job of a kind; the recorded deletion takes the original."""
    return replace(JOB, original=kind == "image.deleted")


def recorded(name: str) -> Event:
    return Event.decode((RECORDED / f"{name}.json").read_bytes())


def like_recorded(sent: Event) -> Event:
    """Return `sent` with the recorded values of all fields that differ from message to message."""
    example = recorded(sent.type)
    return replace(sent, event_id=example.event_id, time=example.time, request_id=example.request_id)


def test_every_message_is_recorded_and_taken_by_somebody() -> None:
    assert set(ALL) == {*JOBS, "image.processed", "image.failed", "image.thumbs-deleted", "user.deleted"}
    assert sorted(ALL) == sorted(name for queue in queues.ALL for name in queue.types)
    assert (queues.JOBS, queues.DELETIONS) == (worker.JOBS, worker.DELETIONS)


@pytest.mark.parametrize("kind", JOBS)
def test_catalog_sends_jobs_as_recorded(kind: JobKind) -> None:
    about = CatalogJob(kind, REGISTRATION, "r", now(), takes_original=kind == "image.deleted")
    sent = catalog_messages.job_event(about, INSTALLATION)
    assert like_recorded(sent) == recorded(kind)


@pytest.mark.parametrize("kind", JOBS)
def test_imaging_reads_jobs_as_recorded(kind: str) -> None:
    assert imaging_messages.read_job(recorded(kind)) == job(kind)


def test_imaging_sends_answers_as_recorded() -> None:
    thumbs = tuple(imaging_domain.Thumb(n, n, h, "image/jpeg", b"") for n, h in ((64, 36), (512, 288)))
    display = imaging_domain.Thumb(2048, 1920, 1080, "image/jpeg", b"")
    rendering = Rendering(
        1920, 1080, "image/jpeg", ("#6c5378", "#8e6274"), "XkgGLYZ3eId4h4hwhwiJhoh1kFkH", thumbs, display
    )
    original = Original(b"x" * 184_312, '"9b2cf535f27731c974343645a3985328"', SHA256)
    fault = UnsupportedFormatError("The file is no picture of a format that is taken: JPEG, PNG.")
    for sent in (
        imaging_messages.processed(JOB, original, rendering, 1),
        imaging_messages.failed(JOB, fault),
        imaging_messages.thumbs_deleted(job("image.deleted")),
    ):
        assert like_recorded(sent) == recorded(sent.type)


def test_catalog_reads_answers_as_recorded() -> None:
    picture = Picture(
        width=1920,
        height=1080,
        colors=("#6c5378", "#8e6274"),
        thumbs=(Thumb(64, 64, 36), Thumb(512, 512, 288)),
        placeholder="XkgGLYZ3eId4h4hwhwiJhoh1kFkH",
        content_type="image/jpeg",
        bytes=184_312,
        source_etag='"9b2cf535f27731c974343645a3985328"',
        recipe=1,
        sha256=SHA256,
        display=Thumb(2048, 1920, 1080),
    )
    fault = Fault("unsupported-format", "The file is no picture of a format that is taken: JPEG, PNG.")
    expected = {
        "image.processed": Processed(REGISTRATION, picture),
        "image.failed": Failed(REGISTRATION, fault),
        "image.thumbs-deleted": ThumbsDeleted(REGISTRATION, took_original=True),
    }
    assert {name: catalog_messages.read_answer(recorded(name)) for name in expected} == expected


def test_the_end_of_a_user_is_sent_and_read_as_recorded() -> None:
    assert like_recorded(auth_messages.user_deleted(USER_ID)) == recorded("user.deleted")
    assert catalog_messages.read_deleted_user(recorded("user.deleted")) == USER_ID


@pytest.mark.parametrize("name", ALL)
def test_message_without_a_field_that_is_needed_is_malformed(name: str) -> None:
    event = recorded(name)
    read = {
        "user.deleted": catalog_messages.read_deleted_user,
        **dict.fromkeys(JOBS, imaging_messages.read_job),
    }.get(name, catalog_messages.read_answer)
    for field in event.data.keys() - ADDED:
        less = {key: value for key, value in event.data.items() if key != field}
        with pytest.raises(MalformedMessageError):
            read(replace(event, data=less))


@pytest.mark.parametrize("name", ["image.created", "image.deleted", "image.failed", "image.thumbs-deleted"])
def test_message_of_an_earlier_release_is_read(name: str) -> None:
    event = recorded(name)
    earlier = replace(event, data={field: value for field, value in event.data.items() if field not in ADDED})
    if name in JOBS:
        assert imaging_messages.read_job(earlier) == replace(JOB, installation_id=None)
    else:
        answer = catalog_messages.read_answer(event)
        known = replace(answer, took_original=False) if isinstance(answer, ThumbsDeleted) else answer
        assert catalog_messages.read_answer(earlier) == known


@pytest.mark.parametrize("name", ALL)
def test_field_that_is_not_known_yet_is_let_through(name: str) -> None:
    event = replace(recorded(name), data={**recorded(name).data, "added_later": 1})
    if name in JOBS:
        assert imaging_messages.read_job(event) == job(name)
    elif name == "user.deleted":
        assert catalog_messages.read_deleted_user(event) == USER_ID
    else:
        assert catalog_messages.read_answer(event).registration == REGISTRATION
