"""Applying what imaging answered: each result once, late ones never, and nobody else's thumbs in the end."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from catalog import queueing, use_cases
from catalog.domain import Image, Job, Outcome
from chassis.clock import now

if TYPE_CHECKING:
    from catalog.adapters.store import Store

log = structlog.get_logger(__name__)

USER_BATCH = 100


def apply(store: "Store", outcome: Outcome) -> None:
    """Apply OUTCOME if it is of the present registration and generation of its key, and send the key's next job.

    A result of anything else may have left thumbs, and written them over those of the present registration: what is of
    another one is taken away, and the present one is given a new generation and processed again. Applying an outcome
    twice leaves all as it should be.
    """
    store.lock_key(outcome.s3_key)
    awaited = queueing.settle(store, outcome)
    image = store.image(outcome.s3_key, locked=True)
    if image is not None and image.s3_bucket != outcome.s3_bucket:
        image = None  # the key was registered again in another bucket, whose thumbs are others
    if outcome.met_newer and _catch_up(store, outcome, image):
        return
    if image is not None and not outcome.deletes and _fits(image, outcome):
        if awaited:
            store.update_image(_with(image, outcome))
        elif not _repeats(image, outcome):
            log.warning("second result differs", image_id=image.image_id, generation=image.generation)
            _heal(store, image)
    elif not awaited:
        log.warning("late result", image_id=outcome.image_id, generation=outcome.generation)
        if outcome.picture is not None and (image is None or image.image_id != outcome.image_id):
            queueing.queue(store, _removal(outcome))
        if image is not None:
            _heal(store, image)


def exhaust(store: "Store", outcome: Outcome) -> None:
    """Let the job that OUTCOME would have answered end for good: its image fails, and what it has written goes.

    A job that takes thumbs away just ends; the next of its key writes over them.
    """
    if outcome.deletes:
        apply(store, outcome)
        return
    store.lock_key(outcome.s3_key)
    queueing.queue(store, _removal(outcome))
    apply(store, outcome)


def forget_user(transact: Callable[..., int], user_id: str, within_s: float) -> bool:
    """Delete what belongs to a user who is gone, a batch a transaction, and tell whether that was all.

    No batch is begun after WITHIN_S seconds. Doing it again goes on, or changes nothing.
    """
    until = time.monotonic() + within_s
    transact(_note_deleted, user_id)
    while transact(_forget_batch, user_id):
        if time.monotonic() > until:
            return False
    return True


def _note_deleted(store: "Store", user_id: str) -> int:
    # Waits for requests of this user that were let in before; later ones find the note.
    store.lock_user(user_id, shared=False)
    store.note_deleted_user(user_id)
    return 0


def _forget_batch(store: "Store", user_id: str) -> int:
    collections = store.collections(user_id, USER_BATCH)
    for collection in collections:
        store.delete_collection(collection.collection_id)
    keys = sorted(image.s3_key for image in store.images(user_id, USER_BATCH))
    for key in keys:
        store.lock_key(key)
        # Only now is it certain which generation is the last: a result may have healed the image meanwhile.
        image = store.image(key, locked=True)
        if image is not None and image.user_id == user_id:
            use_cases.forget_image(store, image)
    return len(collections) + len(keys)


def _catch_up(store: "Store", outcome: Outcome, image: Image | None) -> bool:
    """Deal with thumbs newer than any generation known here; return False if they are none such.

    Such thumbs mean that this database is older than the bucket, as a restored backup is: its generations go on above
    what was found, and of an image that is gone what was found is taken away.
    """
    newest = outcome.newest_generation
    if image is None or image.image_id != outcome.image_id:
        queueing.queue(store, replace(_removal(outcome), generation=newest))
        return image is None
    if image.generation >= newest:
        return False
    log.warning("thumbs are newer than the catalog", s3_key=image.s3_key, here=image.generation, there=newest)
    store.update_image(queueing.renew(store, replace(image, generation=newest)))
    return True


def _fits(image: Image, outcome: Outcome) -> bool:
    return (image.image_id, image.generation) == (outcome.image_id, outcome.generation)


def _with(image: Image, outcome: Outcome) -> Image:
    """Give IMAGE as it is after the result; a failure leaves nothing of an older picture, whose thumbs are gone."""
    return replace(
        image,
        status="ready" if outcome.picture is not None else "failed",
        picture=outcome.picture,
        error=outcome.error,
        date_updated=now(),
        date_pending=None,
    )


def _repeats(image: Image, outcome: Outcome) -> bool:
    return (image.picture, image.error) == (outcome.picture, outcome.error)


def _heal(store: "Store", image: Image) -> None:
    """Process IMAGE again under a new generation, unless a job for it waits anyway and will set things right."""
    waiting = store.jobs(image.s3_bucket, image.s3_key)[1:]
    if not any(job.image_id == image.image_id and not job.deletes for job in waiting):
        store.update_image(queueing.renew(store, image))


def _removal(outcome: Outcome) -> Job:
    return Job("image.deleted", outcome.s3_bucket, outcome.s3_key, outcome.image_id, outcome.generation)
