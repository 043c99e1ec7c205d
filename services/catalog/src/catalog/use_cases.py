"""What catalog does for its callers, each a function that reads like its sentence in the contract."""

import base64
import secrets
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from catalog import places
from catalog.adapters.store import Position, Store
from catalog.buckets import Buckets
from catalog.domain import Chosen, Collection, Image, ImageVersion, Limits, Member, Search, Stats
from catalog.errors import (
    CollectionNotFoundError,
    ImageNotFoundError,
    ImageTakenDownError,
    KeyBlockedError,
    KeyNotAllowedError,
    NotAMemberError,
    OriginalNotUploadedError,
    UserGoneError,
)
from catalog.key_queue import KeyQueue
from catalog.places import Place
from chassis.clock import now
from chassis.tokens import Principal

Check = Callable[[Image], None]
MemberCheck = Callable[[Image | None], None]

NO_LIMITS = Limits()
# 16 random bytes are 26 letters and digits. Once its time is over, who guesses a prefix can register what lies there.
_PREFIX_BYTES = 16
# Members that are moved on first, where there is no room; twice as many with each attempt.
_CROWD = 16


def admit(store: Store, caller: Principal) -> None:
    """Hold off the deletion of `caller` for this transaction. Raise `UserGoneError` if they were deleted already."""
    store.share_user(caller.user_id)
    if store.is_deleted_user(caller.user_id):
        raise UserGoneError


# --- images ---


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
    store.share_user(caller.user_id, s3_key)
    standing = store.standing(caller.user_id, s3_key)  # with the key locked, as whoever takes an image down locks it
    if standing.user_is_gone:
        raise UserGoneError
    buckets.check(s3_bucket, s3_key, caller.user_id)
    if standing.prefix_owner not in {None, caller.user_id}:
        raise KeyNotAllowedError
    is_upload = standing.prefix_owner is not None and s3_bucket == buckets.default
    queue = store.key_queue(s3_key, s3_bucket, is_locked=True)
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
) -> tuple[Sequence[Image], Position | None]:
    """Return up to `limit` of the caller's images that `search` finds, those after the position `after`.

    `collection` names the collection that they have to be in. They are fewer if they fill a page of `max_bytes`: the
    last one then fits no longer. And they are fewer, even none, if it takes too long to find others: then the second
    value is the position up to which was looked for them, else None. Raise `CollectionNotFoundError`.
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


def hand_out_prefix(store: Store, caller: Principal, limits: Limits = NO_LIMITS) -> str:
    """Return a fresh prefix for uploads; images below it can be registered by `caller` only.

    Raise `UserGoneError`, or `QuotaExceededError` if they could register no image anyway.
    """
    may_upload(store, caller, limits)
    prefix = sample_prefix(store, caller)
    store.add_upload_prefix(prefix, caller.user_id)
    return prefix


def may_upload(store: Store, caller: Principal, limits: Limits = NO_LIMITS) -> None:
    """Raise `QuotaExceededError` if the caller could register no image, or `UserGoneError`."""
    admit(store, caller)
    if limits.images or limits.bytes:
        limits.require_image(store.use(caller.user_id))


def begin_upload(store: Store, caller: Principal, collection: str | None, limits: Limits = NO_LIMITS) -> str:
    """Return a prefix as `hand_out_prefix` does, for an image that is to be put into `collection`, if that is given.

    Raise `CollectionNotFoundError`, too.
    """
    prefix = hand_out_prefix(store, caller, limits)
    if collection is not None:
        own_collection(store, caller, collection)
    return prefix


def register_upload(  # noqa: PLR0913 - the fields of one form
    store: Store,
    caller: Principal,
    buckets: Buckets,
    *,
    s3_bucket: str,
    s3_key: str,
    title: str,
    description: str,
    collection: str | None,
    limits: Limits = NO_LIMITS,
) -> Image:
    """Register an original as `register_image` does, and put it into the caller's `collection`, if that is given.

    Raise `CollectionNotFoundError`, too; then it is not registered.
    """
    image = register_image(
        store,
        caller,
        buckets,
        s3_bucket=s3_bucket,
        s3_key=s3_key,
        title=title,
        description=description,
        limits=limits,
    )
    if collection is not None:
        put_member(store, caller, collection, s3_key)
    return image


def sample_prefix(store: Store, caller: Principal) -> str:
    """Return what `hand_out_prefix` might return, without recording it. Raise `UserGoneError`."""
    admit(store, caller)
    return base64.b32encode(secrets.token_bytes(_PREFIX_BYTES)).decode().rstrip("=").lower()


# --- collections ---


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
        image = None if cover.s3_key is None else _member(store, collection, cover.s3_key, "cover")
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


# --- membership ---


def list_members(  # noqa: PLR0913 - a page of a list
    store: Store, collection: Collection, limit: int, max_bytes: int, after: Place, *, hides: bool = False
) -> Sequence[tuple[Place, Image]]:
    """Return up to `limit` (place, image) of `collection` in the order of its places, those after `after`.

    They are fewer if they fill a page of `max_bytes`: the last one then fits no longer. With `hides` those are left out
    that are taken down.
    """
    return store.members(collection.collection_id, limit, max_bytes, after, hides=hides)


def member_versions(
    store: Store, collection: Collection, limit: int, after: Place, *, hides: bool = False
) -> Sequence[tuple[Place, ImageVersion]]:
    """Return (place, version) of up to `limit` images of `collection`, in the order of `list_members`."""
    return store.member_versions(collection.collection_id, limit, after, hides=hides)


def newest_members(
    store: Store, collection: Collection, limit: int, max_bytes: int, before: Place | None
) -> Sequence[tuple[Place, Image]]:
    """Return up to `limit` (place, image) of `collection` from its end, those before `before`; None: from the last one.

    Those are left out that are taken down. They are fewer if they fill a page of `max_bytes`: the last one then fits no
    longer.
    """
    return store.newest_members(collection.collection_id, limit, max_bytes, before)


def public_member(store: Store, collection: Collection, s3_key: str) -> Member:
    """Return an image of `collection`, and the keys of those beside it. Raise as `public_image` does."""
    image = public_image(store, s3_key)
    place = store.place_of(collection.collection_id, image.image_id)
    if place is None:
        raise ImageNotFoundError
    return Member(image, *store.neighbours(collection.collection_id, place))


def count_members(store: Store, collection: Collection) -> int:
    """Return how many images `collection` has."""
    return store.count_members(collection.collection_id)


def get_member(store: Store, caller: Principal, name: str, s3_key: str) -> Image:
    """Return an image in the caller's collection. Raise `CollectionNotFoundError` or `ImageNotFoundError`."""
    collection = own_collection(store, caller, name)
    image = own_image(store, caller, s3_key)
    if store.place_of(collection.collection_id, image.image_id) is None:
        raise ImageNotFoundError
    return image


def put_member(  # noqa: PLR0913 - the fields of one form
    store: Store,
    caller: Principal,
    name: str,
    s3_key: str,
    check: MemberCheck = lambda _: None,
    *,
    behind: Chosen | None = None,
) -> Image:
    """Put an image of the caller into one of the caller's collections; doing it again changes nothing.

    It is put where `behind` says, also if it is a member already; without, behind all others, or left where it is.
    `check` is called with the image if it is a member already, else with None, and raises if that is not what the
    caller expects. Raise `NotAMemberError` if `behind` names an image that is no other member.
    """
    collection, image, place = _membership_to_change(store, caller, name, s3_key)
    check(image if place is not None else None)
    if behind is not None:
        new = _place_behind(store, collection, behind, image)
    else:
        new = places.behind_all(store.last_place(collection.collection_id)) if place is None else None
    if new is not None and place is None:
        store.add_member(collection.collection_id, image.image_id, new)
    elif new is not None:
        store.move_member(collection.collection_id, image.image_id, new)
    return image


def remove_member(store: Store, caller: Principal, name: str, s3_key: str, check: MemberCheck = lambda _: None) -> bool:
    """Remove an image of the caller from a collection; an image that is no member is left alone.

    `check` is as for `put_member`. Return whether it was a member.
    """
    collection, image, place = _membership_to_change(store, caller, name, s3_key)
    check(image if place is not None else None)
    if place is not None:
        store.remove_member(collection.collection_id, image.image_id)
    return place is not None


def _membership_to_change(
    store: Store, caller: Principal, name: str, s3_key: str
) -> tuple[Collection, Image, Place | None]:
    """Lock and return a collection and an image of the caller, and where it stands, None if it is no member."""
    admit(store, caller)
    collection = own_collection(store, caller, name, locked=True)
    image = own_image(store, caller, s3_key, locked=True)
    return collection, image, store.place_of(collection.collection_id, image.image_id)


def _member(store: Store, collection: Collection, s3_key: str, field: str) -> Image:
    """Return the member of `collection` with this key. Raise `NotAMemberError`, which names `field`."""
    image = store.image(s3_key)
    if image is None or store.place_of(collection.collection_id, image.image_id) is None:
        raise NotAMemberError(field)
    return image


def _place_behind(store: Store, collection: Collection, behind: Chosen, image: Image) -> Place | None:
    """Return a free place for `image` where `behind` says, None if it stands there already.

    Others are moved on where there is no room. Raise `NotAMemberError`.
    """
    collection_id, anchor = collection.collection_id, None
    if behind.s3_key is not None:
        other = _member(store, collection, behind.s3_key, "after")
        if other.image_id == image.image_id:
            raise NotAMemberError("after")
        anchor = store.place_of(collection_id, other.image_id)
    following = store.places_behind(collection_id, anchor or places.START, 1)
    next_place, next_id = following[0] if following else (None, None)
    if next_id == image.image_id:
        return None
    place = places.between(anchor, next_place)
    return place if place is not None or anchor is None else _make_room(store, collection_id, anchor)


def _make_room(store: Store, collection_id: str, anchor: Place) -> Place | None:
    """Move on some of the members behind `anchor`, and return a free place there."""
    position, shift = anchor
    looked_at, shifts = _CROWD, list[int]()
    while not shifts:
        found = store.places_behind(collection_id, anchor, looked_at)
        crowd = [(image_id, place[1]) for place, image_id in found if place[0] == position]
        shifts = places.make_room(shift, [each for _, each in crowd], is_all=len(crowd) < looked_at)
        looked_at *= 2
    store.shift_members(collection_id, {image_id: each for (image_id, _), each in zip(crowd, shifts, strict=False)})
    return places.between(anchor, (position, shifts[0]))
