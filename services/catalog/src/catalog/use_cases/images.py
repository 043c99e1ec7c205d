"""What callers do with images."""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from catalog.adapters.queries import Position
from catalog.adapters.store import Store
from catalog.buckets import Buckets
from catalog.domain import Image, Limits, Search, Stats
from catalog.errors import (
    ImageNotFoundError,
    ImageTakenDownError,
    KeyBlockedError,
    KeyNotAllowedError,
    OriginalNotUploadedError,
    UserGoneError,
)
from catalog.key_queue import KeyQueue
from catalog.use_cases.admission import NO_LIMITS, admit
from catalog.use_cases.collections import own_collection
from chassis.tokens import Principal

Check = Callable[[Image], None]


def public_image(store: Store, s3_key: str) -> Image:
    """Return the image at `s3_key`, whoever asks. Raise `ImageNotFoundError` or `ImageTakenDownError`."""
    image = store.image(s3_key)
    if image is None:
        raise ImageNotFoundError
    if image.is_taken_down:
        raise ImageTakenDownError
    return image


def public_images(store: Store, s3_keys: Sequence[str]) -> Mapping[str, Image]:
    """Return the images at `s3_keys` by their keys, whoever asks; not those that are taken down."""
    return {image.s3_key: image for image in store.images_with_keys(s3_keys) if not image.is_taken_down}


def own_images(store: Store, asked: Sequence[tuple[Principal, str]]) -> Mapping[tuple[Principal, str], Image]:
    """Return the images at the keys in `asked` that are those of the callers there."""
    found = {image.s3_key: image for image in store.images_with_keys([s3_key for _, s3_key in asked])}
    return {
        (caller, s3_key): found[s3_key]
        for caller, s3_key in asked
        if s3_key in found and found[s3_key].user_id == caller.user_id
    }


def own_image(store: Store, caller: Principal, s3_key: str, *, locked: bool = False) -> Image:
    """Return an image of the caller. Raise `ImageNotFoundError`, also for another user's image.

    `locked` locks its row until the transaction ends.
    """
    image = store.image(s3_key, locked=locked)
    if image is None or image.user_id != caller.user_id:
        raise ImageNotFoundError
    return image


def register_image(  # noqa: PLR0913 - the fields of one form
    store: Store,
    caller: Principal,
    buckets: Buckets,
    *,
    s3_bucket: str,
    s3_key: str,
    title: str,
    description: str,
    limits: Limits = NO_LIMITS,
) -> Image:
    """Register an original, and queue its processing.

    Raise `KeyNotAllowedError`, also for a prefix that was handed out to another user for uploads; `ImageExistsError`;
    `KeyBlockedError`; `OriginalDeletedError`; `QuotaExceededError`; `UserGoneError`.
    """
    standing, queue = store.new_key_queue(caller.user_id, s3_bucket, s3_key)
    if standing.user_is_gone:
        raise UserGoneError
    buckets.check(s3_bucket, s3_key, caller.user_id)
    if standing.prefix_owner not in {None, caller.user_id}:
        raise KeyNotAllowedError
    is_upload = standing.prefix_owner is not None and s3_bucket == buckets.default
    image = Image(
        image_id=str(uuid.uuid4()),
        user_id=caller.user_id,
        s3_bucket=s3_bucket,
        s3_key=s3_key,
        title=title,
        description=description,
        status="pending",
        generation=1,
        date_created=queue.moment,
        date_updated=queue.moment,
        date_pending=queue.moment,
        upload_of=store.own_installation.installation_id if is_upload else None,
    )
    if standing.key_is_blocked:
        raise KeyBlockedError
    image = queue.register(image)
    if limits.images or limits.bytes:
        limits.require_image(store.locked_use(caller.user_id))
    store.save(queue)
    return image


def find_images(  # noqa: PLR0913 - a page of a search
    store: Store,
    caller: Principal,
    search: Search,
    collection: str | None = None,
    *,
    limit: int,
    max_bytes: int,
    after: Position | None,
) -> tuple[Iterator[Image], Position | None]:
    """Return up to `limit` of the caller's images that `search` finds, those after the position `after`.

    They are loaded as they are taken, before the transaction ends. `collection` names the collection that they have to
    be in. They are fewer if they fill a page of `max_bytes`: the last one then fits no longer. And they are fewer, even
    none, if it takes too long to find others: then the second value is the position up to which was looked for them,
    else None. Raise `CollectionNotFoundError`.
    """
    if collection is not None:
        search = replace(search, collection_id=own_collection(store, caller, collection).collection_id)
    return store.images(caller.user_id, search, limit, max_bytes, after)


def change_image(  # noqa: PLR0913 - the fields of one form
    store: Store,
    caller: Principal,
    s3_key: str,
    check: Check,
    *,
    title: str | None,
    description: str | None,
    reprocess: bool,
) -> Image:
    """Change the given fields of the caller's image, and queue its processing if asked to.

    `check` raises if the present state of the image is not the one that the caller expects. Title and description leave
    the generation alone: a result that is on its way still fits. Raise `KeyBlockedError` if the image, which
    was taken down, is to be processed.
    """
    queue, image = _own_queue(store, caller, s3_key)
    check(image)
    changed = replace(
        image,
        title=image.title if title is None else title,
        description=image.description if description is None else description,
    )
    if reprocess:
        changed = queue.renew(changed)
    elif changed != image:
        changed = replace(changed, date_updated=image.next_update(queue.moment))
        queue.registered = changed
    store.save(queue)
    return changed


def delete_image(
    store: Store, caller: Principal, s3_key: str, check: Check, *, takes_original: bool = False
) -> tuple[Image, Sequence[str]]:
    """Delete the caller's image with its memberships, and queue the deletion of its thumbs; `check` as for a change.

    `takes_original`: and of the original. Raise `OriginalNotUploadedError` then if the caller has not uploaded it here,
    or `KeyBlockedError` if the image was taken down: what becomes of the original is the operator's to say. Return the
    image, and the names of the collections that it was in.
    """
    queue, image = _own_queue(store, caller, s3_key)
    collections = store.collections_of(image.image_id)
    if takes_original and image.is_taken_down:
        raise KeyBlockedError
    # A copy of the database, which is another installation, does not delete what was uploaded to the first one.
    if takes_original and image.upload_of != store.own_installation.installation_id:
        raise OriginalNotUploadedError
    check(image)
    queue.withdraw(image, takes_original=takes_original)
    store.save(queue)
    return image, collections


def stats(store: Store, caller: Principal) -> Stats:
    """Return how many images the caller has by status and by format."""
    return store.stats(caller.user_id)


def _own_queue(store: Store, caller: Principal, s3_key: str) -> tuple[KeyQueue, Image]:
    """Lock and load the caller's image and its jobs. Raise `ImageNotFoundError` or `UserGoneError`."""
    admit(store, caller)
    queue = store.key_queue(s3_key)
    image = queue.image
    if image is None or image.user_id != caller.user_id:
        raise ImageNotFoundError
    return queue, image
