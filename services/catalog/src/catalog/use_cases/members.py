"""What callers do with the images of a collection, each of which has a place in it."""

from collections.abc import Callable, Iterator, Sequence

from catalog import places
from catalog.adapters.store import Store
from catalog.domain import Chosen, Collection, Image, ImageVersion, Member
from catalog.errors import ImageNotFoundError, NotAMemberError
from catalog.places import Place
from catalog.use_cases.admission import admit
from catalog.use_cases.collections import own_collection, require_member
from catalog.use_cases.images import own_image, public_image
from chassis.tokens import Principal

MemberCheck = Callable[[Image | None], None]

# Members that are moved on first, where there is no room; twice as many with each attempt.
_CROWD = 16


def list_members(  # noqa: PLR0913 - a page of a list
    store: Store, collection: Collection, limit: int, max_bytes: int, after: Place, *, hides: bool = False
) -> Iterator[tuple[Place, Image]]:
    """Yield up to `limit` (place, image) of `collection` in the order of its places, those after `after`.

    They are loaded as they are taken, before the transaction ends. They are fewer if they fill a page of `max_bytes`:
    the last one then fits no longer. With `hides` those are left out that are taken down.
    """
    return store.members(collection.collection_id, limit, max_bytes, after, hides=hides)


def member_versions(
    store: Store, collection: Collection, limit: int, after: Place, *, hides: bool = False
) -> Sequence[tuple[Place, ImageVersion]]:
    """Return (place, version) of up to `limit` images of `collection`, in the order of `list_members`."""
    return store.member_versions(collection.collection_id, limit, after, hides=hides)


def newest_members(
    store: Store, collection: Collection, limit: int, max_bytes: int, before: Place | None
) -> Iterator[tuple[Place, Image]]:
    """Yield up to `limit` (place, image) of `collection` from its end, those before `before`; None: from the last one.

    They are loaded as they are taken, before the transaction ends. Those are left out that are taken down. They are
    fewer if they fill a page of `max_bytes`: the last one then fits no longer.
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


def _place_behind(store: Store, collection: Collection, behind: Chosen, image: Image) -> Place | None:
    """Return a free place for `image` where `behind` says, None if it stands there already.

    Others are moved on where there is no room. Raise `NotAMemberError`.
    """
    collection_id, anchor = collection.collection_id, None
    if behind.s3_key is not None:
        other = require_member(store, collection, behind.s3_key, "after")
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
