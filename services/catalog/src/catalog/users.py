"""Forgetting a user who was deleted: their images and collections go too, and the answers that are kept for them."""

import time
from collections.abc import Callable

from catalog.adapters.store import Store

BATCH = 100


def forget_user(transact: Callable[..., int], user_id: str, within_s: float) -> bool:
    """Delete what belongs to a deleted user, a batch a transaction; return whether that was all.

    No batch is begun after `within_s` seconds. Calling it again goes on, or changes nothing.
    """
    until = time.monotonic() + within_s
    transact(_note_deleted, user_id)
    while transact(_forget_batch, user_id):
        if time.monotonic() > until:
            return False
    return True


def _note_deleted(store: Store, user_id: str) -> int:
    # Waits for running requests of this user (`use_cases.admit`); later ones see the row.
    store.lock_user(user_id, shared=False)
    store.note_deleted_user(user_id)
    return 0


def _forget_batch(store: Store, user_id: str) -> int:
    keys = sorted(store.image_keys(user_id, BATCH))
    # All of them before anything is deleted. That locks the count of what the user has, for which a result of imaging
    # waits with its key locked.
    for key in keys:
        store.lock_key(key)
    collections = store.collections(user_id, BATCH)
    for collection in collections:
        store.delete_collection(collection.collection_id)
    if not keys and not collections:
        store.forget_use(user_id)
    for key in keys:
        # Only with the key locked is it certain which generation is the last: a result may have healed the image.
        queue = store.key_queue(key)
        if queue.image is not None and queue.image.user_id == user_id:
            queue.withdraw(queue.image)
            store.save(queue)
    answers = store.forget_kept_answers(user_id, BATCH)
    return len(collections) + len(keys) + answers
