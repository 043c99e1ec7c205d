"""The rules of jobs and answers, without a database: at most one job of a key is with imaging, and nothing is lost."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from catalog.adapters.key_queues import image_changes
from catalog.domain import (
    Answer,
    Failed,
    Fault,
    Former,
    Image,
    Job,
    Picture,
    Processed,
    Registration,
    Thumb,
    ThumbsDeleted,
)
from catalog.errors import ImageExistsError, KeyBlockedError
from catalog.key_queue import Effect, KeyQueue

KEY = "a/b.jpg"
START = datetime(2026, 1, 1, tzinfo=UTC)
PICTURE = Picture(640, 480, ("#102030",), (Thumb(64, 64, 48),), "hash", "image/jpeg", 1234, "etag", 1)
OTHER_PICTURE = replace(PICTURE, source_etag="another")
BROKEN = Fault("malformed", "broken")


def an_image(image_id: str = "one", bucket: str = "pics") -> Image:
    return Image(image_id, "anna", bucket, KEY, "", "", "pending", 1, START, START, START)


def ready(image: Image) -> Image:
    return replace(image, status="ready", picture=PICTURE, date_pending=None)


def a_queue(image: Image | None = None, *jobs: Job, bucket: str = "pics", minute: int = 0) -> KeyQueue:
    """Return the queue of a key as a transaction loads it `minute` minutes after the start."""
    moment = START + timedelta(minutes=minute)
    saved = [replace(job, job_id=number) for number, job in enumerate(jobs, 1)]
    return KeyQueue(bucket, KEY, image, saved, moment, request_id="r")


def later(queue: KeyQueue) -> KeyQueue:
    """Return `queue` as the next transaction loads it."""
    minutes = int((queue.moment - START).total_seconds() / 60)
    return a_queue(queue.registered, *queue.jobs, bucket=queue.s3_bucket, minute=minutes + 1)


def registered() -> KeyQueue:
    queue = a_queue()
    queue.register(an_image())
    return later(queue)


def processed(picture: Picture = PICTURE) -> KeyQueue:
    queue = registered()
    queue.apply(Processed(present(queue).registration, picture))
    return later(queue)


def present(queue: KeyQueue) -> Image:
    assert queue.image is not None
    return queue.image


def kinds(queue: KeyQueue) -> list[tuple[str, str, int]]:
    return [(job.kind, job.registration.image_id, job.registration.generation) for job in queue.jobs]


def test_registration_sends_its_job_at_once() -> None:
    queue = a_queue()
    queue.register(an_image())
    assert queue.due == queue.jobs[0]
    assert kinds(queue) == [("image.created", "one", 1)]


def test_new_image_at_a_key_begins_above_the_one_that_was_deleted_there() -> None:
    queue = processed()
    queue.renew(present(queue))
    queue = later(queue)
    queue.withdraw(present(queue))
    queue = replace(later(queue), former=queue.former)
    assert queue.register(an_image("two")).generation == 3
    assert kinds(queue)[-1] == ("image.created", "two", 3)
    queue = replace(later(queue), former=queue.former)
    queue.withdraw(present(queue))  # its first job was never sent
    assert ("image.deleted", "two", 3) not in kinds(queue)
    assert queue.former == Former(3, queue.moment)


def test_key_that_is_taken_is_refused_in_whichever_bucket() -> None:
    queue = a_queue(an_image(bucket="elsewhere"))
    with pytest.raises(ImageExistsError):
        queue.register(an_image("two"))


def test_second_job_waits_until_the_first_is_answered() -> None:
    queue = registered()
    renewed = queue.renew(present(queue))
    assert queue.due is None
    queue = later(queue)
    queue.apply(Processed(an_image().registration, PICTURE))
    assert queue.due is not None
    assert queue.due.registration == renewed.registration


def test_awaited_result_makes_the_image_ready() -> None:
    queue = registered()
    assert queue.apply(Processed(present(queue).registration, PICTURE)) == Effect.APPLIED
    assert (present(queue).status, present(queue).picture, queue.jobs) == ("ready", PICTURE, [])


def test_awaited_failure_leaves_nothing_of_the_old_picture() -> None:
    queue = processed()
    renewed = queue.renew(present(queue))
    queue.apply(Failed(renewed.registration, BROKEN))
    assert (present(queue).status, present(queue).picture, present(queue).error) == ("failed", None, BROKEN)


def test_result_that_comes_twice_changes_nothing() -> None:
    queue = processed()
    assert queue.apply(Processed(present(queue).registration, PICTURE)) == Effect.REPEATED
    assert (queue.registered, queue.jobs) == (queue.loaded_image, [])


def test_result_comes_twice_although_another_release_tells_no_hash() -> None:
    told = replace(PICTURE, sha256="ab" * 32)
    for first, second in ((told, PICTURE), (PICTURE, told)):
        queue = processed(first)
        assert queue.apply(Processed(present(queue).registration, second)) == Effect.REPEATED
    queue = processed(told)
    other = replace(told, sha256="cd" * 32)
    assert queue.apply(Processed(present(queue).registration, other)) == Effect.DIFFERENT


def test_second_result_of_another_object_starts_a_new_generation() -> None:
    queue = processed()
    assert queue.apply(Processed(present(queue).registration, OTHER_PICTURE)) == Effect.DIFFERENT
    assert kinds(queue) == [("image.reprocess", "one", 2)]


def test_failure_after_success_of_one_generation_is_no_repetition() -> None:
    queue = processed()
    assert queue.apply(Failed(present(queue).registration, BROKEN)) == Effect.DIFFERENT


def test_late_result_of_an_earlier_registration_is_cleaned_up_and_the_present_one_processed_again() -> None:
    queue = a_queue(ready(an_image("two")))
    assert queue.apply(Processed(an_image("one").registration, PICTURE)) == Effect.LATE
    assert kinds(queue) == [("image.deleted", "one", 1), ("image.reprocess", "two", 2)]


def test_late_result_of_a_deleted_image_has_its_thumbs_deleted() -> None:
    queue = a_queue()
    queue.apply(Processed(an_image().registration, PICTURE))
    assert kinds(queue) == [("image.deleted", "one", 1)]


@pytest.mark.parametrize(
    "answer",
    [
        Processed(Registration("one", 1, "earlier", KEY), PICTURE),
        Failed(Registration("one", 1, "earlier", KEY), BROKEN),
        ThumbsDeleted(Registration("one", 1, "earlier", KEY)),
        ThumbsDeleted(Registration("one", 1, "earlier", KEY), newest_generation=5),
    ],
)
def test_answer_about_the_earlier_bucket_of_a_key_leaves_the_present_registration_alone(
    answer: Processed | Failed | ThumbsDeleted,
) -> None:
    """Its worker wrote into the other bucket, so the thumbs of the present registration are untouched."""
    image = ready(an_image("two", bucket="pics"))
    queue = a_queue(image, bucket="earlier")
    queue.apply(answer)
    assert queue.registered == image
    assert all(job.is_deletion and job.registration.s3_bucket == "earlier" for job in queue.jobs)


def test_deletion_waits_behind_a_job_that_was_sent() -> None:
    queue = registered()
    queue.withdraw(present(queue))
    assert kinds(queue) == [("image.created", "one", 1), ("image.deleted", "one", 1)]
    assert queue.registered is None
    assert queue.due is None


def test_image_whose_first_job_was_never_sent_leaves_no_deletion() -> None:
    queue = registered()
    queue.withdraw(present(queue))
    queue = later(queue)
    queue.register(an_image("two"))
    queue = later(queue)
    queue.withdraw(present(queue))
    assert kinds(queue) == [("image.created", "one", 1), ("image.deleted", "one", 1)]


def test_of_the_jobs_that_wait_for_an_image_only_the_newest_is_kept() -> None:
    queue = registered()
    for _ in range(3):
        queue.renew(present(queue))
        queue = later(queue)
    assert kinds(queue) == [("image.created", "one", 1), ("image.reprocess", "one", 4)]


def test_image_is_pending_since_the_first_of_several_renewals() -> None:
    queue = processed()
    first = queue.renew(present(queue))
    queue = later(queue)
    second = queue.renew(present(queue))
    assert second.date_pending == first.date_pending
    assert second.date_updated > first.date_updated


def test_job_that_was_given_up_fails_its_image_and_has_its_thumbs_deleted() -> None:
    queue = registered()
    queue.give_up(present(queue).registration, BROKEN)
    assert (present(queue).status, present(queue).error) == ("failed", BROKEN)
    assert kinds(queue) == [("image.deleted", "one", 1)]
    assert queue.due == queue.jobs[0]


def test_generations_go_on_above_thumbs_that_are_newer_than_the_catalog() -> None:
    queue = registered()
    assert queue.apply(ThumbsDeleted(present(queue).registration, newest_generation=7)) == Effect.BEHIND_BUCKET
    assert kinds(queue) == [("image.reprocess", "one", 8)]


def test_newer_thumbs_of_an_image_that_is_gone_are_deleted() -> None:
    queue = a_queue(None, Job("image.deleted", an_image().registration, "r", START, START))
    queue.apply(ThumbsDeleted(an_image().registration, newest_generation=7))
    assert kinds(queue) == [("image.deleted", "one", 7)]


@pytest.mark.parametrize(("minute", "is_stuck"), [(5, False), (15, True)])
def test_key_is_stuck_when_its_oldest_job_was_sent_too_long_ago(minute: int, is_stuck: bool) -> None:
    queue = a_queue(an_image(), Job("image.created", an_image().registration, "r", START, START))
    assert queue.is_stuck(START + timedelta(minutes=minute - 10)) == is_stuck


def test_pending_image_without_a_job_is_stuck_and_restarted() -> None:
    queue = a_queue(an_image())
    assert queue.is_stuck(START - timedelta(days=1))
    queue.restart()
    assert kinds(queue) == [("image.reprocess", "one", 2)]
    assert queue.due == queue.jobs[0]


def test_restart_sends_deletions_first_and_again() -> None:
    deletion = Job("image.deleted", an_image("gone").registration, "r", START, START)
    queue = a_queue(an_image(), deletion, Job("image.created", an_image().registration, "r", START), minute=60)
    queue.restart()
    assert kinds(queue) == [("image.deleted", "gone", 1), ("image.reprocess", "one", 2)]
    assert queue.due == queue.jobs[0]


@pytest.mark.parametrize("seed", range(50))
def test_after_any_history_one_job_at_most_was_sent_and_it_is_the_oldest(seed: int) -> None:
    chance = random.Random(seed)
    queue, seen = a_queue(), [an_image().registration]
    for number in range(60):
        image = queue.image
        match chance.randrange(5):
            case 0 if image is None:
                queue.register(an_image(str(number)))
            case 1 if image is not None:
                queue.renew(image)
            case 2 if image is not None:
                queue.withdraw(image)
            case 3:
                queue.apply(Processed(chance.choice(seen), PICTURE))
            case 4:
                queue.apply(ThumbsDeleted(chance.choice(seen), chance.choice((0, 0, 9))))
            case _:
                pass
        seen += [job.registration for job in queue.jobs]
        assert [job.date_sent is not None for job in queue.jobs] == [place == 0 for place in range(len(queue.jobs))]
        if queue.image is not None and queue.image.status == "pending":
            assert any(not job.is_deletion and job.registration == queue.image.registration for job in queue.jobs)
        queue = later(queue)


@pytest.mark.parametrize("minute", [-1, 0, 1])
def test_every_change_is_updated_later_than_the_one_before_whatever_the_clock_says(minute: int) -> None:
    """Two changes within a microsecond, or by a clock that went back: entity tags tell their states apart by it."""
    image = an_image()
    queue = a_queue(image, minute=minute)
    renewed = queue.renew(image)
    assert renewed.date_updated > image.date_updated
    for answer in (Processed(renewed.registration, PICTURE), Failed(renewed.registration, BROKEN)):
        queue = a_queue(renewed, Job("image.reprocess", renewed.registration, "r", START, START), minute=minute)
        assert queue.apply(answer) == Effect.APPLIED
        assert present(queue).date_updated > renewed.date_updated


def taken_down(queue: KeyQueue) -> KeyQueue:
    queue.take_down(present(queue), "a complaint")
    return later(queue)


def test_image_that_is_taken_down_fails_and_its_thumbs_are_deleted() -> None:
    queue = taken_down(processed())
    image = present(queue)
    assert (image.status, image.picture, image.date_pending) == ("failed", None, None)
    assert image.error == Fault("taken-down", "The operator has taken this image down: a complaint")
    assert kinds(queue) == [("image.deleted", "one", 2)]


def test_answer_to_a_job_that_was_under_way_does_not_bring_an_image_back() -> None:
    queue = taken_down(registered())
    assert queue.apply(Processed(an_image().registration, PICTURE)) == Effect.APPLIED
    assert present(queue).is_taken_down
    assert kinds(queue) == [("image.deleted", "one", 2)]
    assert queue.due is not None


def test_thumbs_of_a_late_result_are_deleted_if_the_image_is_taken_down() -> None:
    queue = taken_down(processed())
    queue.apply(ThumbsDeleted(present(queue).registration))
    queue = later(queue)
    assert queue.apply(Processed(an_image().registration, PICTURE)) == Effect.LATE
    assert present(queue).is_taken_down
    assert kinds(queue) == [("image.deleted", "one", 1)]


@pytest.mark.parametrize("answer", [ThumbsDeleted, lambda about: Failed(about, BROKEN)])
def test_other_late_answers_leave_an_image_taken_down(answer: Callable[[Registration], Answer]) -> None:
    queue = taken_down(processed())
    queue.apply(ThumbsDeleted(present(queue).registration))
    queue = later(queue)
    assert queue.apply(answer(present(queue).registration)) == Effect.LATE
    assert (queue.registered, queue.jobs) == (queue.loaded_image, [])


def test_newer_thumbs_of_an_image_that_is_taken_down_are_deleted_too() -> None:
    queue = taken_down(processed())
    assert queue.apply(ThumbsDeleted(present(queue).registration, newest_generation=7)) == Effect.BEHIND_BUCKET
    assert present(queue).is_taken_down
    assert kinds(queue) == [("image.deleted", "one", 7)]


def test_image_that_is_taken_down_is_not_processed_again() -> None:
    queue = taken_down(processed())
    with pytest.raises(KeyBlockedError):
        queue.renew(present(queue))
    queue.restart()
    assert kinds(queue) == [("image.deleted", "one", 2)]


def test_image_whose_first_job_was_never_sent_has_no_thumbs_to_be_deleted() -> None:
    queue = a_queue(None, Job("image.deleted", Registration("zero", 1, "pics", KEY), "r", START, START))
    queue.register(an_image())
    queue = taken_down(later(queue))
    assert kinds(queue) == [("image.deleted", "zero", 1)]


def test_taking_down_again_changes_the_reason_only() -> None:
    queue = taken_down(processed())
    queue.take_down(present(queue), "another")
    assert present(queue).error == Fault("taken-down", "The operator has taken this image down: another")
    assert kinds(queue) == [("image.deleted", "one", 2)]


def test_image_that_is_restored_is_processed_behind_the_deletion_of_its_thumbs() -> None:
    queue = taken_down(processed())
    restored = queue.restore(present(queue))
    assert (restored.status, restored.error) == ("pending", None)
    assert kinds(queue) == [("image.deleted", "one", 2), ("image.reprocess", "one", 3)]


def test_images_that_change_together_do_so_in_the_order_of_their_users() -> None:
    """Each change locks the counts of its user: in another order, two transactions could wait for each other."""
    queues = []
    for user in ("cleo", "anna", "bert", "anna"):
        queue = a_queue(replace(an_image(user), user_id=user))
        queue.registered = ready(queue.registered) if queue.registered else None
        queues.append(queue)
    [(_, rows)] = image_changes(queues)
    assert [row["user_id"] for row in rows] == ["anna", "anna", "bert", "cleo"]
