"""Forgetting a user who was deleted: their images and collections go too, and the answers that are kept for them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from catalog.adapters.store import Store
from chassis import audit
from chassis.audit import Actor

BATCH = 500
COLLECTIONS_BATCH = 100


@dataclass(frozen=True)
class Forgotten:
    """What was deleted in one transaction, as the audit log names it; `more` if there may be more."""

    images: tuple[dict[str, Any], ...] = ()
    collections: tuple[str, ...] = ()
    more: bool = False


def forget_user(transact: Callable[..., Forgotten], user_id: str, within_s: float) -> bool:
    """Delete what belongs to a deleted user, a batch a transaction; return whether that was all.

    No batch is begun after `within_s` seconds. Calling it again goes on, or changes nothing.
    """
    until = time.monotonic() + within_s
    transact(_note_deleted, user_id)
    while (forgotten := transact(_forget_batch, user_id)).more:
        _record(forgotten, user_id)
        if time.monotonic() > until:
            return False
    return True


def _record(forgotten: Forgotten, user_id: str) -> None:
    # The request id is that of the line in the audit log of auth which says who deleted the user.
    actor = Actor("service")
    for name in forgotten.collections:
        audit.done("collection.delete", actor, collection=name, user=user_id)
    for image in forgotten.images:
        audit.done("image.delete", actor, **image, user=user_id)


def _note_deleted(store: Store, user_id: str) -> Forgotten:
    # Waits for running requests of this user (`use_cases.admit`); later ones see the row.
    store.lock_user(user_id)
    store.note_deleted_user(user_id)
    return Forgotten()


def _forget_batch(store: Store, user_id: str) -> Forgotten:
    # All keys are locked before anything is deleted. That locks the count of what the user has, for which a result of
    # imaging waits with its key locked.
    queues = store.key_queues((None, key) for key in store.image_keys(user_id, BATCH))
    collections = store.collections(user_id, COLLECTIONS_BATCH)
    for collection in collections:
        store.delete_collection(collection.collection_id)
    if not queues and not collections:
        store.forget_use(user_id)
    images = []
    for queue in queues:
        # Only with the key locked is it certain which generation is the last: a result may have healed the image.
        if queue.image is not None and queue.image.user_id == user_id:
            image = queue.image
            images.append({"image": image.image_id, "s3_bucket": image.s3_bucket, "s3_key": image.s3_key})
            queue.withdraw(image)
    store.save(*queues)
    answers = store.forget_kept_answers(user_id, BATCH)
    names = tuple(each.name for each in collections)
    return Forgotten(tuple(images), names, more=bool(queues or collections or answers))
