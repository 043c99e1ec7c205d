"""The queries for collections and their members."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from catalog.adapters.finding import bound
from catalog.adapters.queries import LEAST_BYTES, Position, Queries
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
        rows = self._connection.execute(
            _behind(sa.select(*_PLACE, memberships.c.image_id), collection_id, place, limit)
        )
        return [((row.position, row.shift), row.image_id) for row in rows]

    def collections_of(self, image_id: str) -> Sequence[str]:
        """Return the names of the collections that an image is in."""
        query = sa.select(collections.c.name).join_from(memberships, collections)
        return self._connection.scalars(query.where(memberships.c.image_id == image_id)).all()

    def remove_member(self, collection_id: str, image_id: str) -> None:
        """Remove a member from a collection, which is locked."""
        self._change_members(collection_id, memberships.delete().where(_pair(collection_id, image_id)))

    def members(
        self, collection_id: str, limit: int, max_bytes: int, after: Place = START, *, hides: bool = False
    ) -> Sequence[tuple[Place, Image]]:
        """Return up to `limit` (place, image) of a collection in the order of its places, those after `after`.

        They are fewer if they fill a page of `max_bytes`: the last one then fits no longer. With `hides` those are left
        out that are taken down.
        """
        found = _members(collection_id, limit, after, images.c.image_id, LEAST_BYTES)
        found = found.where(is_shown) if hides else found
        rows = self._filling(found, max_bytes, _by_place)
        return [((row["position"], row["shift"]), image_from_row(row)) for row in rows]

    def member_versions(
        self, collection_id: str, limit: int, after: Place = START, *, hides: bool = False
    ) -> Sequence[tuple[Place, ImageVersion]]:
        """Return (place, version) of the images that `members` returns if they are small."""
        found = _members(collection_id, limit, after, images.c.image_id, images.c.s3_bucket, images.c.date_updated)
        found = found.where(is_shown) if hides else found
        rows = self._connection.execute(found)
        return [((position, shift), ImageVersion(*version)) for position, shift, *version in rows]

    def newest_members(
        self, collection_id: str, limit: int, max_bytes: int, before: Place | None
    ) -> Sequence[tuple[Place, Image]]:
        """Return up to `limit` (place, image) of a collection from its end, those before the place `before`.

        Those are left out that are taken down. They are fewer if they fill a page of `max_bytes`: the last one then
        fits no longer.
        """
        found = _before(sa.select(*_PLACE, images.c.image_id, LEAST_BYTES), collection_id, before, limit)
        found = found.where(is_shown)
        rows = self._filling(found, max_bytes, _by_place_backwards)
        return [((row["position"], row["shift"]), image_from_row(row)) for row in rows]

    def neighbours(self, collection_id: str, place: Place) -> tuple[str | None, str | None]:
        """Return the keys of the members next before and next behind `place` in a collection, None where it ends.

        Those are passed over that are taken down.
        """
        keys = sa.select(images.c.s3_key).where(is_shown)
        before = self._connection.scalar(_before(keys, collection_id, place, 1))
        return before, self._connection.scalar(_behind(_of_members(keys), collection_id, place, 1))

    def count_members(self, collection_id: str) -> int:
        """Return how many images are in a collection."""
        query = sa.select(sa.func.count()).where(memberships.c.collection_id == collection_id)
        return self._connection.scalar(query) or 0


def _row_from_collection(collection: Collection) -> dict[str, Any]:
    return {name: value for name, value in asdict(collection).items() if name in collections.c}


def _pair(collection_id: str, image_id: str) -> sa.ColumnElement[bool]:
    return (memberships.c.collection_id == collection_id) & (memberships.c.image_id == image_id)


def _by_place(columns: sa.ColumnCollection[str, Any]) -> Sequence[sa.ColumnElement[Any]]:
    return columns.position, columns.shift


_PLACE = _by_place(memberships.c)


def _by_place_backwards(columns: sa.ColumnCollection[str, Any]) -> Sequence[sa.ColumnElement[Any]]:
    return [column.desc() for column in _by_place(columns)]


def _behind(query: sa.Select[Any], collection_id: str, after: Place, limit: int) -> sa.Select[Any]:
    """Return `query` for up to `limit` members of a collection after the place `after`."""
    own = memberships.c.collection_id == collection_id
    return query.where(own, sa.tuple_(*_PLACE) > after).order_by(*_PLACE).limit(limit)


def _before(query: sa.Select[Any], collection_id: str, before: Place | None, limit: int) -> sa.Select[Any]:
    """Return `query` of images for up to `limit` members of a collection, from its end or the place `before` back."""
    query = _of_members(query).where(memberships.c.collection_id == collection_id)
    if before is not None:
        query = query.where(sa.tuple_(*_PLACE) < before)
    return query.order_by(*_by_place_backwards(memberships.c)).limit(limit)


def _of_members(query: sa.Select[Any]) -> sa.Select[Any]:
    return query.join_from(memberships, images)


def _members(collection_id: str, limit: int, after: Place, *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Return the query for up to `limit` members of a collection after the place `after`, with `columns`."""
    return _behind(_of_members(sa.select(*_PLACE, *columns)), collection_id, after, limit)
