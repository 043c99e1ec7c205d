"""Registering the pictures that lie in a bucket already, for one user, at a pace that leaves room for fresh uploads.

Nothing is recorded of it, since a key that has an image is passed over: whatever ends the command, it is run again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from catalog import use_cases
from catalog.adapters.operators_store import OperatorsStore
from catalog.buckets import Buckets
from catalog.domain import COLLECTION_NAME
from catalog.errors import (
    ImageExistsError,
    KeyBlockedError,
    KeyNotAllowedError,
    NotACollectionNameError,
    OriginalDeletedError,
    UnacceptableKeyError,
)
from catalog.keys import check_key, thumb_of
from catalog.stored_objects import StoredObject
from catalog.upkeep.pace import POLL_S, Pace
from catalog.uploads import CONTENT_TYPES, PREFIX_LENGTH
from chassis.database.database import Database
from chassis.errors import DependencyDownError
from chassis.tokens import Principal

REGISTERED = "registered already"
TAKEN_DOWN = "taken down"
DELETED = "being deleted, as its owner asked for"
THUMB = "a thumb, by its key"
NOT_A_PICTURE = "not named as a picture; --any-name takes these too"
EMPTY = "empty"
ARCHIVED = "archived: S3 has to be asked to restore it first"
NOT_ALLOWED = "under a prefix that CATALOG_BUCKETS does not allow this user, or that another user got for uploads"


@dataclass(frozen=True)
class Import:
    """What is imported: objects of `bucket` become images of the user `owner`, in `collection` if there is one.

    With `any_name` their names need not end as those of pictures do.
    """

    buckets: Buckets
    bucket: str
    owner: Principal
    collection: str | None
    any_name: bool


@dataclass(frozen=True)
class Step:
    """How `looked_at` objects were dealt with: these keys were registered, the others left out, each for a reason.

    The next step is due in `wait_s` seconds. `held_back` says why nothing was done, if so.
    """

    looked_at: int = 0
    registered: Sequence[str] = ()
    left_out: Sequence[tuple[str, str]] = ()
    wait_s: float = 0.0
    held_back: str = ""


@dataclass(frozen=True)
class Sifted:
    """The keys of a page that can be registered, and the others, each with the reason."""

    wanted: Sequence[str]
    left_out: Sequence[tuple[str, str]]


def open_collection(store: OperatorsStore, owner: Principal, name: str) -> None:
    """Make the collection `name` of `owner`, unless it is there. Raise `CatalogError` if it cannot be theirs."""
    if not COLLECTION_NAME.fullmatch(name):
        raise NotACollectionNameError(name)
    if store.collection(name) is None:
        use_cases.create_collection(store, owner, name)
    else:
        use_cases.own_collection(store, owner, name)


def sift(store: OperatorsStore, wanted: Import, objects: Sequence[StoredObject]) -> Sifted:
    """Tell which of `objects` can be registered; looking at them changes nothing."""
    prefixes = {_first_folder(found.key) for found in objects}
    owners = store.owners_of_upload_prefixes([prefix for prefix in prefixes if len(prefix) == PREFIX_LENGTH])
    reasons = {found.key: _fault(wanted, found, owners) for found in objects}
    possible = [key for key, reason in reasons.items() if reason is None]
    reasons |= {image.s3_key: REGISTERED for image in store.images_with_keys(possible)}
    return Sifted(
        [key for key, reason in reasons.items() if reason is None],
        [(key, reason) for key, reason in reasons.items() if reason is not None],
    )


def look(database: Database[OperatorsStore], wanted: Import, pages: Iterator[Sequence[StoredObject]]) -> Iterator[Step]:
    """Tell what `steps` would do with `pages`, and do nothing. Raise `StorageError` or `DependencyDownError`."""
    for page in pages:
        sifted = database.read(sift, wanted, page)
        yield Step(len(page), sifted.wanted, sifted.left_out)


def steps(
    database: Database[OperatorsStore], wanted: Import, pages: Iterator[Sequence[StoredObject]], pace: Pace
) -> Iterator[Step]:
    """Register what `pages` list, at `pace`; the caller waits between steps as each step says.

    Stopping at any point is safe. A database that does not answer holds it back. Raise `StorageError` if the bucket
    cannot be listed.
    """
    for page in pages:
        sifted: Sifted | None = None
        while sifted is None:
            try:
                sifted = database.read(sift, wanted, page)
            except DependencyDownError as fault:
                yield Step(wait_s=POLL_S, held_back=fault.for_operators)
        yield Step(len(sifted.left_out), left_out=sifted.left_out)
        keys = sifted.wanted
        while keys:
            try:
                room = pace.room(database)
                if not room:
                    yield Step(wait_s=POLL_S, held_back=f"{pace.in_flight} in flight")
                    continue
                registered, left_out = database.transact(register, wanted, keys[:room])
            except DependencyDownError as fault:
                yield Step(wait_s=POLL_S, held_back=fault.for_operators)
                continue
            keys = keys[room:]
            yield Step(len(registered) + len(left_out), registered, left_out, len(registered) / pace.rate)


def register(
    store: OperatorsStore, wanted: Import, keys: Sequence[str]
) -> tuple[Sequence[str], Sequence[tuple[str, str]]]:
    """Register `keys`, which are in order, and put the images into the collection.

    Return the keys that were registered, and the others with the reason. Raise `UserGoneError`, or
    `CollectionNotFoundError` if the collection was deleted meanwhile.
    """
    registered: list[str] = []
    left_out: list[tuple[str, str]] = []
    use_cases.admit(store, wanted.owner)
    if wanted.collection is not None:
        # Before the counts of the user are, as whoever deletes a collection locks them.
        use_cases.own_collection(store, wanted.owner, wanted.collection, locked=True)
    for key in keys:
        try:
            use_cases.register_image(
                store, wanted.owner, wanted.buckets, s3_bucket=wanted.bucket, s3_key=key, title="", description=""
            )
        except ImageExistsError:
            left_out.append((key, REGISTERED))
        except KeyBlockedError:
            left_out.append((key, TAKEN_DOWN))
        except OriginalDeletedError:
            left_out.append((key, DELETED))
        except KeyNotAllowedError:
            left_out.append((key, NOT_ALLOWED))
        else:
            if wanted.collection is not None:
                use_cases.put_member(store, wanted.owner, wanted.collection, key)
            registered.append(key)
    return registered, left_out


def _first_folder(key: str) -> str:
    return key.partition("/")[0]


def _fault(wanted: Import, found: StoredObject, owners: Mapping[str, str]) -> str | None:
    """Return why an object is not registered, whatever is registered already; None if it may be.

    `owners` are those of the prefixes that were handed out for uploads.
    """
    if thumb_of(found.key) is not None:
        return THUMB
    try:
        check_key(found.key)
        wanted.buckets.check(wanted.bucket, found.key, wanted.owner.user_id)
    except UnacceptableKeyError as fault:
        return f"its key cannot name an image: {fault}"
    except KeyNotAllowedError:
        return NOT_ALLOWED
    own = wanted.owner.user_id
    reasons = {
        NOT_ALLOWED: owners.get(_first_folder(found.key), own) != own,
        EMPTY: found.size == 0,
        ARCHIVED: found.is_archived,
        NOT_A_PICTURE: not wanted.any_name and found.key.rpartition(".")[2].lower() not in CONTENT_TYPES,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)
