"""What callers do with collections."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace

from catalog.adapters.queries import Position
from catalog.adapters.store import Store
from catalog.domain import Chosen, Collection, Image, Limits
from catalog.errors import CollectionNotFoundError, NotAMemberError
from catalog.use_cases.admission import NO_LIMITS, admit
from chassis.clock import now
from chassis.tokens import Principal


def public_collection(store: Store, name: str) -> Collection:
    """Return the collection of this name, whoever asks. Raise `CollectionNotFoundError`."""
    collection = store.collection(name)
    if collection is None:
        raise CollectionNotFoundError
    return collection


def own_collection(store: Store, caller: Principal, name: str, *, locked: bool = False) -> Collection:
    """Return a collection of the caller. Raise `CollectionNotFoundError`, also for another user's collection."""
    collection = store.collection(name, locked=locked)
    if collection is None or collection.user_id != caller.user_id:
        raise CollectionNotFoundError
    return collection


def create_collection(store: Store, caller: Principal, name: str, limits: Limits = NO_LIMITS) -> Collection:
    """Create an empty collection. Raise `CollectionNameTakenError`, `QuotaExceededError` or `UserGoneError`."""
    admit(store, caller)
    if limits.collections and store.collection(name) is None:
        limits.require_collection(store.locked_use(caller.user_id))
    collection = Collection(str(uuid.uuid4()), caller.user_id, name, now())
    store.add_collection(collection)
    return collection


def list_collections(store: Store, caller: Principal, limit: int, after: Position | None) -> Sequence[Collection]:
    """Return up to `limit` of the caller's collections, newest first, those after the position `after`."""
    return store.collections(caller.user_id, limit, after)


def change_collection(  # noqa: PLR0913 - the fields of one form
    store: Store,
    caller: Principal,
    name: str,
    check: Callable[[Store, Collection], None],
    *,
    new_name: str | None,
    title: str | None,
    description: str | None,
    cover: Chosen | None,
) -> Collection:
    """Change the given fields of the caller's collection; a `cover` with the key None takes it away.

    `check` raises unless its present state is the expected one. Raise `CollectionNameTakenError`, or `NotAMemberError`
    if the cover is not in the collection.
    """
    admit(store, caller)
    collection = own_collection(store, caller, name, locked=True)
    check(store, collection)
    changed = replace(
        collection,
        name=collection.name if new_name is None else new_name,
        title=collection.title if title is None else title,
        description=collection.description if description is None else description,
    )
    if cover is not None:
        image = None if cover.s3_key is None else require_member(store, collection, cover.s3_key, "cover")
        cover_id, key = (None, None) if image is None else (image.image_id, image.s3_key)
        changed = replace(changed, cover_id=cover_id, cover=key)
    if changed != collection:
        changed = replace(changed, revision=collection.revision + 1)
        store.change_collection(changed)
    return changed


def delete_collection(
    store: Store,
    caller: Principal,
    name: str,
    check: Callable[[Store, Collection], None],
) -> int:
    """Delete the caller's collection; its images stay. `check` raises unless its present state is the expected one.

    Return how many images were in it.
    """
    admit(store, caller)
    collection = own_collection(store, caller, name, locked=True)
    check(store, collection)
    images = store.count_members(collection.collection_id)
    store.delete_collection(collection.collection_id)
    return images


def require_member(store: Store, collection: Collection, s3_key: str, field: str) -> Image:
    """Return the member of `collection` with this key. Raise `NotAMemberError`, which names `field`."""
    image = store.image(s3_key)
    if image is None or store.place_of(collection.collection_id, image.image_id) is None:
        raise NotAMemberError(field)
    return image
