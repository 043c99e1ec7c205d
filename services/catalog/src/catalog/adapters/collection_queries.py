"""The queries for collections and their members."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from catalog.adapters.queries import LEAST_BYTES, LIMIT, Position, Queries, bound, each_made, filling
from catalog.adapters.rows import image_from_row
from catalog.adapters.tables import collections, images, is_shown, memberships
from catalog.domain import Collection, Image, ImageVersion
from catalog.errors import CollectionNameTakenError
from catalog.places import START, Place
from chassis.database.statements import execute_together
from chassis.database.transactions import violated_constraint

_COVER = (memberships.c.collection_id == collections.c.collection_id) & (
    memberships.c.image_id == collections.c.cover_id
)
_COLLECTIONS = (
    sa.select(collections, images.c.s3_key.label("cover"))
    .outerjoin_from(collections, memberships, _COVER)
    .outerjoin(images, (images.c.image_id == memberships.c.image_id) & is_shown)
)
_COLLECTION = _COLLECTIONS.where(collections.c.name == sa.bindparam("name"))


def _by_place(columns: sa.ColumnCollection[str, Any]) -> Sequence[sa.ColumnElement[Any]]:
    return columns.position, columns.shift


def _by_place_backwards(columns: sa.ColumnCollection[str, Any]) -> Sequence[sa.ColumnElement[Any]]:
    return [column.desc() for column in _by_place(columns)]


# --- members: their statements are put together once, which takes as long as to send them ---

_PLACE = _by_place(memberships.c)
_OWN = memberships.c.collection_id == sa.bindparam("collection_id", type_=sa.Text)
_HERE = sa.tuple_(sa.bindparam("position", type_=sa.BigInteger), sa.bindparam("shift", type_=sa.BigInteger))
_OF_PAGE = (*_PLACE, images.c.image_id, LEAST_BYTES)
_OF_VERSION = (images.c.image_id, images.c.s3_bucket, images.c.date_updated)


def _behind(query: sa.Select[Any]) -> sa.Select[Any]:
    """Return `query` for the members of a collection behind a place."""
    return query.where(_OWN, sa.tuple_(*_PLACE) > _HERE).order_by(*_PLACE).limit(LIMIT)


def _backwards(query: sa.Select[Any]) -> sa.Select[Any]:
    """Return `query` for the members of a collection from its end back."""
    return query.where(_OWN).order_by(*_by_place_backwards(memberships.c)).limit(LIMIT)


def _before(query: sa.Select[Any]) -> sa.Select[Any]:
    """Return `query` for the members of a collection from a place back."""
    return _backwards(query).where(sa.tuple_(*_PLACE) < _HERE)


def _of_members(*columns: sa.ColumnElement[Any], hides: bool = True) -> sa.Select[Any]:
    """Return the query for `columns` of members and their images; with `hides` of those that are not taken down."""
    query = sa.select(*columns).join_from(memberships, images)
    return query.where(is_shown) if hides else query


_PLACES_BEHIND = _behind(sa.select(*_PLACE, memberships.c.image_id))
_KEY_BEFORE, _KEY_BEHIND = _before(_of_members(images.c.s3_key)), _behind(_of_members(images.c.s3_key))
# By whether those are left out that are taken down.
_MEMBERS = {hides: filling(_behind(_of_members(*_OF_PAGE, hides=hides)), _by_place) for hides in (False, True)}
_VERSIONS = {hides: _behind(_of_members(*_PLACE, *_OF_VERSION, hides=hides)) for hides in (False, True)}
_NEWEST = filling(_backwards(_of_members(*_OF_PAGE)), _by_place_backwards)
_NEWEST_BEFORE = filling(_before(_of_members(*_OF_PAGE)), _by_place_backwards)


class CollectionQueries(Queries):
    """Collections, and the places of images in them."""

    # --- collections ---

    def add_collection(self, collection: Collection) -> None:
        """Add a collection. Raise `CollectionNameTakenError` if there is one of this name."""
        self._save_collection(collections.insert().values(_row_from_collection(collection)))

    def change_collection(self, collection: Collection) -> None:
        """Save a collection, which is locked. Raise `CollectionNameTakenError` if there is another one of its name."""
        own = collections.c.collection_id == collection.collection_id
        self._save_collection(collections.update().where(own).values(_row_from_collection(collection)))

    def _save_collection(self, statement: sa.sql.dml.UpdateBase) -> None:
        try:
            with self._connection.begin_nested():
                self._connection.execute(statement)
        except sa.exc.IntegrityError as fault:
            if "name" not in violated_constraint(fault):
                raise
            raise CollectionNameTakenError from None

    def collection(self, name: str, *, locked: bool = False) -> Collection | None:
        """Return the collection of this name, if any; `locked` locks its row until the transaction ends."""
        query = _COLLECTION.with_for_update(of=collections) if locked else _COLLECTION
        row = self._connection.execute(query, {"name": name}).mappings().first()
        return Collection(**row) if row else None

    def collections(self, user_id: str, limit: int, after: Position | None = None) -> Sequence[Collection]:
        """Return up to `limit` collections of a user, newest first, those after the position `after`."""
        query = _COLLECTIONS.where(collections.c.user_id == user_id)
        if after is not None:
            query = query.where(sa.tuple_(collections.c.date_created, collections.c.collection_id) < bound(after))
        query = query.order_by(collections.c.date_created.desc(), collections.c.collection_id.desc()).limit(limit)
        return [Collection(**row) for row in self._connection.execute(query).mappings()]

    def delete_collection(self, collection_id: str) -> None:
        """Delete a collection; its memberships go with it, its images stay."""
        self._connection.execute(collections.delete().where(collections.c.collection_id == collection_id))

    # --- membership ---

    def add_member(self, collection_id: str, image_id: str, place: Place) -> None:
        """Add an image, which is no member, to a collection, which is locked, at `place`, where there is none."""
        position, shift = place
        row = {"collection_id": collection_id, "image_id": image_id, "position": position, "shift": shift}
        self._change_members(collection_id, memberships.insert().values(row))

    def move_member(self, collection_id: str, image_id: str, place: Place) -> None:
        """Move a member of a collection, which is locked, to `place`, where there is none."""
        position, shift = place
        moved = memberships.update().where(_pair(collection_id, image_id)).values(position=position, shift=shift)
        self._change_members(collection_id, moved)

    def shift_members(self, collection_id: str, shifts: Mapping[str, int]) -> None:
        """Give members of a collection, which is locked, other shifts, by image id; the last one first."""
        for image_id, shift in sorted(shifts.items(), key=lambda each: -each[1]):
            self._connection.execute(memberships.update().where(_pair(collection_id, image_id)).values(shift=shift))

    def _change_members(self, collection_id: str, change: sa.sql.dml.UpdateBase) -> None:
        counted = collections.update().where(collections.c.collection_id == collection_id)
        execute_together(self._connection, [(counted.values(revision=collections.c.revision + 1), []), (change, [])])

    def place_of(self, collection_id: str, image_id: str) -> Place | None:
        """Return where an image stands in a collection, None if it is not in it."""
        return self._place(sa.select(*_PLACE).where(_pair(collection_id, image_id)))

    def last_place(self, collection_id: str) -> Place | None:
        """Return where the last member of a collection stands, None if it has none."""
        query = sa.select(*_PLACE).where(memberships.c.collection_id == collection_id)
        return self._place(query.order_by(*(column.desc() for column in _PLACE)).limit(1))

    def _place(self, query: sa.Select[Any]) -> Place | None:
        row = self._connection.execute(query).first()
        return None if row is None else (row.position, row.shift)

    def places_behind(self, collection_id: str, place: Place, limit: int) -> Sequence[tuple[Place, str]]:
        """Return the places, and the ids of the images, of up to `limit` members of a collection behind `place`."""
        found = self._at(_PLACES_BEHIND, collection_id, place, limit)
        return [((row.position, row.shift), row.image_id) for row in found]

    def collections_of(self, image_id: str) -> Sequence[str]:
        """Return the names of the collections that an image is in."""
        query = sa.select(collections.c.name).join_from(memberships, collections)
        return self._connection.scalars(query.where(memberships.c.image_id == image_id)).all()

    def remove_member(self, collection_id: str, image_id: str) -> None:
        """Remove a member from a collection, which is locked."""
        self._change_members(collection_id, memberships.delete().where(_pair(collection_id, image_id)))

    def members(
        self, collection_id: str, limit: int, max_bytes: int, after: Place = START, *, hides: bool = False
    ) -> Iterator[tuple[Place, Image]]:
        """Yield up to `limit` (place, image) of a collection in the order of its places, those after `after`.

        They are loaded as they are taken, before the transaction ends. They are fewer if they fill a page of
        `max_bytes`: the last one then fits no longer. With `hides` those are left out that are taken down.
        """
        return each_made(self._at(_MEMBERS[hides], collection_id, after, limit, max_bytes=max_bytes), _member)

    def member_versions(
        self, collection_id: str, limit: int, after: Place = START, *, hides: bool = False
    ) -> Sequence[tuple[Place, ImageVersion]]:
        """Return (place, version) of the images that `members` returns if they are small."""
        found = self._at(_VERSIONS[hides], collection_id, after, limit)
        return [((row.position, row.shift), ImageVersion(*row[len(_PLACE) :])) for row in found]

    def newest_members(
        self, collection_id: str, limit: int, max_bytes: int, before: Place | None
    ) -> Iterator[tuple[Place, Image]]:
        """Yield up to `limit` (place, image) of a collection from its end, those before the place `before`.

        They are loaded as they are taken, before the transaction ends. Those are left out that are taken down. They are
        fewer if they fill a page of `max_bytes`: the last one then fits no longer.
        """
        query, place = (_NEWEST, START) if before is None else (_NEWEST_BEFORE, before)
        return each_made(self._at(query, collection_id, place, limit, max_bytes=max_bytes), _member)

    def neighbours(self, collection_id: str, place: Place) -> tuple[str | None, str | None]:
        """Return the keys of the members next before and next behind `place` in a collection, None where it ends.

        Those are passed over that are taken down.
        """
        before, behind = (self._at(query, collection_id, place, 1).scalar() for query in (_KEY_BEFORE, _KEY_BEHIND))
        return before, behind

    def count_members(self, collection_id: str) -> int:
        """Return how many images are in a collection."""
        query = sa.select(sa.func.count()).where(memberships.c.collection_id == collection_id)
        return self._connection.scalar(query) or 0

    def _at(self, query: sa.Select[Any], collection_id: str, place: Place, limit: int, **more: int) -> sa.Result[Any]:
        """Return what `query` finds in a collection, up to `limit`; it begins at `place`, if it does not at an end."""
        position, shift = place
        values = {"collection_id": collection_id, "position": position, "shift": shift, "limit": limit, **more}
        return self._connection.execute(query, values)


def _member(row: sa.Row[Any]) -> tuple[Place, Image]:
    return (row.position, row.shift), image_from_row(row)


def _row_from_collection(collection: Collection) -> dict[str, Any]:
    return {name: value for name, value in asdict(collection).items() if name in collections.c}


def _pair(collection_id: str, image_id: str) -> sa.ColumnElement[bool]:
    return (memberships.c.collection_id == collection_id) & (memberships.c.image_id == image_id)
