"""One job per key at a time, and results are applied only to the registration and generation that they are about."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa

from catalog import use_cases
from catalog.adapters.store import Store
from catalog.adapters.tables import outbox
from catalog.domain import Answer, Failed, Fault, Image, Processed, Registration, ThumbsDeleted
from catalog.errors import ImageExistsError, ImageNotFoundError, UserGoneError
from catalog.jobs import results
from catalog.jobs.results import Outcome, Received
from catalog.key_queue import Effect
from catalog.users import forget_user
from catalog.worker import FORGET_S
from catalog_steps import ANNA, BERT, Sent, Steps, picture
from chassis import request_ids
from chassis.database.database import Database
from chassis.envelope import Event


def test_registration_and_its_job_are_one_transaction(steps: Steps, sent: Sent) -> None:
    image = steps.register()
    with pytest.raises(ImageExistsError):
        steps.register()
    assert sent() == [("image.created", image.image_id, 1)]


def test_result_makes_the_image_ready(steps: Steps, open_jobs: Callable[[], int]) -> None:
    steps.processed(steps.register())
    assert steps.image().status == "ready"
    assert steps.image().picture == picture()
    assert open_jobs() == 0


def test_same_result_twice_changes_nothing(steps: Steps, sent: Sent) -> None:
    image = steps.register()
    steps.processed(image)
    before = steps.image()
    steps.processed(image)
    assert steps.image() == before
    assert len(sent()) == 1


def test_second_result_of_another_object_starts_a_new_generation(steps: Steps, sent: Sent) -> None:
    image = steps.register()
    steps.processed(image, etag="first")
    steps.processed(image, etag="second")
    assert (steps.image().status, steps.image().generation) == ("pending", 2)
    assert sent()[-1] == ("image.reprocess", image.image_id, 2)


def test_reprocessing_waits_for_the_job_before_and_shows_the_old_picture(steps: Steps, sent: Sent) -> None:
    image = steps.register()
    steps.processed(image)
    second = steps.reprocess()
    assert (second.status, second.picture) == ("pending", picture())
    third = steps.reprocess()
    fourth = steps.reprocess()
    assert [generation for _, _, generation in sent()] == [1, 2]
    steps.processed(second)
    assert steps.image().status == "pending"  # the result is of a generation before the present one
    assert [generation for _, _, generation in sent()] == [1, 2, 4]  # no answer to the third is awaited any more
    steps.processed(fourth)
    assert steps.image().status == "ready"
    assert third.generation == 3


def test_failed_reprocessing_leaves_nothing_of_the_old_picture(steps: Steps) -> None:
    steps.processed(steps.register())
    steps.failed(steps.reprocess())
    image = steps.image()
    assert (image.status, image.picture) == ("failed", None)
    assert image.error is not None
    assert image.error.code == "malformed"


def test_title_and_description_leave_the_generation_alone(steps: Steps, catalog_database: Database[Store]) -> None:
    image = steps.register()
    catalog_database.transact(
        use_cases.change_image, ANNA, image.s3_key, lambda _: None, title="new", description=None, reprocess=False
    )
    steps.processed(image)
    assert (steps.image().title, steps.image().status) == ("new", "ready")


def test_key_registered_again_waits_until_the_thumbs_of_the_first_are_gone(steps: Steps, sent: Sent) -> None:
    first = steps.register()
    steps.delete()
    second = steps.register()
    assert sent() == [("image.created", first.image_id, 1)]
    steps.processed(first)  # late: its image is gone
    assert steps.image().status == "pending"
    assert sent()[-1] == ("image.deleted", first.image_id, 1)
    steps.thumbs_deleted(first)
    assert sent()[-1] == ("image.created", second.image_id, 2)
    steps.processed(second)
    assert steps.image().status == "ready"


def test_job_that_waited_leaves_under_the_request_that_asked_for_it(
    steps: Steps, catalog_database: Database[Store]
) -> None:
    request_ids.adopt("first")
    image = steps.register()
    request_ids.adopt("second")
    steps.delete()
    request_ids.adopt("third")
    steps.register()
    request_ids.adopt("an answer of imaging")
    steps.processed(image)
    steps.thumbs_deleted(image)
    with catalog_database.engine.connect() as connection:
        bodies = connection.scalars(sa.select(outbox.c.body).order_by(outbox.c.date_created)).all()
    assert [Event.decode(body).request_id for body in bodies] == ["first", "second", "third"]


def test_key_that_is_registered_and_deleted_again_and_again_has_few_jobs(
    steps: Steps, sent: Sent, open_jobs: Callable[[], int]
) -> None:
    first = steps.register()
    for _ in range(5):
        steps.delete()
        steps.register()
    last = steps.image()
    assert open_jobs() == 3
    steps.processed(first)
    steps.thumbs_deleted(first)
    assert sent()[-1] == ("image.created", last.image_id, 6)
    steps.processed(last)
    assert open_jobs() == 0


def test_image_that_is_deleted_while_its_second_job_waits_leaves_no_thumbs(
    steps: Steps, sent: Sent, open_jobs: Callable[[], int]
) -> None:
    image = steps.register()
    second = steps.reprocess()
    steps.delete()
    steps.processed(image)
    assert sent()[-1] == ("image.deleted", second.image_id, 2)
    steps.thumbs_deleted(second)
    assert open_jobs() == 0


def test_late_worker_that_took_its_thumbs_away_has_the_image_processed_again(steps: Steps, sent: Sent) -> None:
    """It may have overwritten thumbs of the generation that is shown."""
    late = steps.register()
    steps.processed(late)
    steps.processed(steps.reprocess())
    steps.thumbs_deleted(late)
    assert (steps.image().status, steps.image().generation) == ("pending", 3)
    assert sent()[-1] == ("image.reprocess", late.image_id, 3)


def test_image_is_pending_since_it_is_so_whatever_is_changed_meanwhile(
    steps: Steps, catalog_database: Database[Store]
) -> None:
    image = steps.register()
    catalog_database.transact(
        use_cases.change_image, ANNA, image.s3_key, lambda _: None, title="new", description=None, reprocess=True
    )
    assert steps.image().date_updated > image.date_updated
    assert catalog_database.read(Store.pending) == (1, image.date_created)
    steps.processed(image)
    steps.processed(steps.image())
    assert catalog_database.read(Store.pending) == (0, None)
    again = steps.reprocess()
    assert catalog_database.read(Store.pending) == (1, again.date_pending)


def test_late_result_of_a_deleted_image_removes_its_thumbs(
    steps: Steps, sent: Sent, open_jobs: Callable[[], int]
) -> None:
    image = steps.register()
    steps.processed(image)
    steps.delete()
    steps.thumbs_deleted(image)
    steps.processed(image)  # by a worker that was taken for dead
    assert sent()[-1] == ("image.deleted", image.image_id, 1)
    steps.thumbs_deleted(image)
    assert open_jobs() == 0


def test_late_result_of_an_earlier_registration_has_the_present_one_processed_again(steps: Steps, sent: Sent) -> None:
    first = steps.register()
    steps.processed(first)
    steps.delete()
    steps.thumbs_deleted(first)
    second = steps.register()
    steps.processed(second)
    steps.processed(first)  # its worker may have overwritten thumbs of the second
    assert (steps.image().status, steps.image().generation) == ("pending", 3)
    assert sent()[-1] == ("image.deleted", first.image_id, 1)  # if the second fails, nothing will overwrite them
    steps.thumbs_deleted(first)
    assert sent()[-1] == ("image.reprocess", second.image_id, 3)


def test_late_clean_up_has_the_present_registration_processed_again(steps: Steps) -> None:
    first = steps.register()
    steps.processed(first)
    steps.delete()
    steps.thumbs_deleted(first)
    second = steps.register()
    steps.processed(second)
    steps.thumbs_deleted(first)
    assert (steps.image().status, steps.image().generation) == ("pending", 3)


def test_result_for_another_bucket_is_not_of_this_image(steps: Steps) -> None:
    image = steps.register()
    steps.answer(Processed(Registration(image.image_id, 1, "elsewhere", image.s3_key), picture()))
    assert steps.image().status == "pending"


def test_two_registrations_of_one_key_at_once_make_one_image(steps: Steps, sent: Sent) -> None:
    def attempt(_: int) -> str | None:
        try:
            return steps.register().image_id
        except ImageExistsError:
            return None

    with ThreadPoolExecutor(8) as pool:
        made = [image_id for image_id in pool.map(attempt, range(16)) if image_id]
    assert len(made) == 1
    assert len(sent()) == 1


def test_registering_while_a_result_is_applied_never_leaves_a_job_waiting_for_ever(
    steps: Steps, sent: Sent, open_jobs: Callable[[], int]
) -> None:
    """Whichever commits first, the job of the new registration is sent."""
    for number in range(20):
        key = f"race/{number}.jpg"
        image = steps.register(key)
        steps.processed(image)
        steps.delete(key)
        with ThreadPoolExecutor(2) as pool:
            gone = pool.submit(steps.thumbs_deleted, image)
            again = pool.submit(steps.register, key)
            gone.result()
            second = again.result()
        assert ("image.created", second.image_id, 2) in sent()
        steps.processed(second)
        assert steps.image(key).status == "ready"
    assert open_jobs() == 0


def test_user_who_is_gone_takes_images_and_collections_along(
    steps: Steps, catalog_database: Database[Store], sent: Sent
) -> None:
    mine = [steps.register(f"mine/{number}") for number in range(3)]
    for image in mine:
        steps.processed(image)
    other = steps.register("other", BERT)
    catalog_database.transact(use_cases.create_collection, ANNA, "holiday")
    for _ in range(2):  # the message may come twice
        forget_user(catalog_database.transact, ANNA.user_id, FORGET_S)
    for image in mine:
        with pytest.raises(ImageNotFoundError):
            steps.image(image.s3_key)
    assert sorted(image_id for kind, image_id, _ in sent() if kind == "image.deleted") == sorted(
        image.image_id for image in mine
    )
    assert catalog_database.read(Store.collections, ANNA.user_id, 10) == []
    assert steps.image("other") == other
    with pytest.raises(UserGoneError):
        steps.register("late")


def test_forgetting_a_user_can_be_left_off_and_gone_on_with(steps: Steps, catalog_database: Database[Store]) -> None:
    steps.register("a", BERT)
    assert not forget_user(catalog_database.transact, BERT.user_id, within_s=0)
    with pytest.raises(UserGoneError):
        steps.register("b", BERT)
    assert forget_user(catalog_database.transact, BERT.user_id, within_s=0)


def test_image_healed_while_its_user_is_forgotten_leaves_no_thumbs(
    steps: Steps, catalog_database: Database[Store], sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deletion has to name the last generation: imaging deletes the thumbs of that and of earlier ones only."""
    image = steps.register()
    steps.processed(image, etag="first")
    lock_keys = Store.lock_keys

    def lock_later(store: Store, s3_keys: Sequence[str]) -> None:
        if catalog_database.engine.dialect.name == "postgresql":  # on SQLite there is one writer at a time
            monkeypatch.setattr(Store, "lock_keys", lock_keys)
            steps.processed(image, etag="second")
        lock_keys(store, s3_keys)

    monkeypatch.setattr(Store, "lock_keys", lock_later)
    forget_user(catalog_database.transact, ANNA.user_id, FORGET_S)
    generations = [generation for _, _, generation in sent()]
    last = max(generations)
    if last > 1:
        steps.processed(replace(image, generation=last))
    assert sent()[-1] == ("image.deleted", image.image_id, last)


def test_image_in_place_of_another_users_deleted_one_is_not_touched_by_its_results(steps: Steps) -> None:
    first = steps.register("shared", ANNA)
    steps.delete("shared", ANNA)
    second = steps.register("shared", BERT)
    steps.processed(first)
    steps.thumbs_deleted(first)
    steps.processed(replace(second))
    assert steps.image("shared").user_id == BERT.user_id
    assert steps.image("shared").status == "ready"


# --- a database that is older than the bucket: a restored backup ---


def met_newer(image: Image, newest: int, *, error: Fault | None = None) -> Answer:
    """Return what imaging answers if it has found thumbs of generation `newest` where those of `image` should go."""
    return Failed(image.registration, error, newest) if error else ThumbsDeleted(image.registration, newest)


@pytest.mark.parametrize("error", [None, Fault("original-missing", "gone")], ids=["late", "failed"])
def test_image_whose_thumbs_are_newer_goes_on_above_them_at_once(
    steps: Steps, sent: Sent, open_jobs: Callable[[], int], error: Fault | None
) -> None:
    image = steps.register()
    steps.processed(image)
    renewed = steps.reprocess()
    steps.answer(met_newer(renewed, 4, error=error))
    assert sent()[-1] == ("image.reprocess", image.image_id, 5)
    assert open_jobs() == 1
    steps.processed(steps.image())
    assert (steps.image().status, steps.image().generation, open_jobs()) == ("ready", 5, 0)


def test_image_is_not_renewed_twice_where_several_of_its_jobs_meet_newer_thumbs(
    steps: Steps, sent: Sent, open_jobs: Callable[[], int]
) -> None:
    image = steps.register()
    steps.processed(image)
    first, second = steps.reprocess(), steps.reprocess()
    steps.answer(met_newer(first, 7))
    assert sent()[-1] == ("image.reprocess", image.image_id, second.generation)
    steps.answer(met_newer(second, 7))
    assert sent()[-1] == ("image.reprocess", image.image_id, 8)
    steps.processed(steps.image())
    assert (steps.image().status, open_jobs()) == ("ready", 0)


def test_deletion_that_meets_newer_thumbs_takes_those_too(
    steps: Steps, sent: Sent, open_jobs: Callable[[], int]
) -> None:
    image = steps.register()
    steps.processed(image)
    steps.delete()
    steps.answer(met_newer(image, 4))
    assert sent()[-1] == ("image.deleted", image.image_id, 4)
    steps.thumbs_deleted(replace(image, generation=4))
    assert open_jobs() == 0


def test_late_job_that_met_a_generation_known_here_raises_none(steps: Steps, open_jobs: Callable[[], int]) -> None:
    image = steps.register()
    steps.processed(image)
    renewed = steps.reprocess()
    steps.processed(renewed)
    steps.answer(met_newer(image, renewed.generation))
    assert (steps.image().status, steps.image().generation) == ("pending", renewed.generation + 1)
    steps.processed(steps.image())
    assert open_jobs() == 0


def test_answers_that_are_applied_together_are_each_applied_as_if_alone(
    steps: Steps, catalog_database: Database[Store], open_jobs: Callable[[], int]
) -> None:
    first, broken, twice, late = (steps.register(f"a/{name}.jpg") for name in ("first", "broken", "twice", "late"))
    theirs = steps.register("a/theirs.jpg", BERT)
    steps.processed(twice)
    steps.processed(late)
    steps.delete("a/late.jpg")
    steps.thumbs_deleted(late)
    answers: list[Answer] = [
        Processed(theirs.registration, picture()),
        Processed(twice.registration, picture("another")),
        Processed(first.registration, picture()),
        Failed(broken.registration, Fault("malformed", "broken")),
        Processed(late.registration, picture()),
        ThumbsDeleted(replace(first.registration, s3_key="nobody's")),
    ]
    outcomes = catalog_database.transact(
        results.apply, [Received(answer, f"answer {number}") for number, answer in enumerate(answers)]
    )
    assert outcomes == [
        Outcome(Effect.APPLIED, theirs.date_created),
        Outcome(Effect.DIFFERENT),
        Outcome(Effect.APPLIED, first.date_created),
        Outcome(Effect.APPLIED),
        Outcome(Effect.LATE),
        Outcome(Effect.LATE),
    ]
    found = {name: steps.image(f"a/{name}.jpg").status for name in ("theirs", "twice", "first", "broken")}
    assert found == {"theirs": "ready", "twice": "pending", "first": "ready", "broken": "failed"}
    with catalog_database.engine.connect() as connection:
        bodies = connection.scalars(sa.select(outbox.c.body).order_by(outbox.c.date_created)).all()
    sent = {event.data["s3_key"]: event for event in map(Event.decode, bodies[-2:])}
    assert {key: (event.type, event.request_id) for key, event in sent.items()} == {
        "a/twice.jpg": ("image.reprocess", "answer 1"),
        "a/late.jpg": ("image.deleted", "answer 4"),
    }
    assert open_jobs() == 2
