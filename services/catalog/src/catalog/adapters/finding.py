"""Which images of a user a search finds: for a page a bounded number of rows is read, however many images there are.

Each search goes through an index in the order of its list. What no index tells is asked of each image, and that of so
many at a time only: then the page ends, perhaps with few images or none, and the next one goes on there. A search for
words that few images have, or in a small collection, begins with those images.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from catalog.adapters.tables import WORDS_OF_IMAGE, images, memberships
from catalog.domain import Search, words_of

if TYPE_CHECKING:
    import sqlite3

Place = tuple[datetime, str]
Conditions = list[sa.ColumnElement[bool]]

# Images that are looked at for a page. Their words take longer: some descriptions have thousands.
_MOST, _MOST_WITH_WORDS = 4000, 1000

# The few are counted unless so many times as many are expected: what is expected is not exact.
_MOST_EXPECTED = 4

# Written into statements: so a database sees whether they fulfil the condition of a partial index.
_STATUSES: dict[str, sa.ColumnElement[str]] = {
    status: sa.literal_column(f"'{status}'") for status in ("pending", "ready", "failed")
}


def prepare(engine: sa.Engine) -> None:
    """Give the connections of `engine` what finding needs: on SQLite, a function that looks for words."""
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _add_function)


def _add_function(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    def has_words(text: str, wanted: str) -> bool:
        return set(wanted.split()) <= set(words_of(text))

    cast("sqlite3.Connection", connection).create_function("has_words", 2, has_words)


class Finding:
    """The images of a user that `search` finds, those after the place `after`, on the database of `connection`."""

    def __init__(self, connection: sa.Connection, user_id: str, search: Search, after: Place | None) -> None:
        self._connection = connection
        self._user_id = user_id
        self._search = search
        self._after = after

    def order(self, columns: sa.ColumnCollection[str, Any]) -> Sequence[sa.ColumnElement[Any]]:
        """Return the order of the list."""
        place = (columns.date_created, columns.image_id)
        return place if self._search.oldest_first else tuple(column.desc() for column in place)

    def query(self, limit: int, *columns: sa.ColumnElement[Any]) -> tuple[sa.Select[Any], Place | None]:
        """Return the query for up to `limit` images, with their place and `columns`, and where it stops looking.

        That is None if it finds all that there are; otherwise further ones may follow behind that place.
        """
        told, walk = self._walk()
        shown = sa.select(images.c.image_id, images.c.date_created, *columns)
        if self._asked(images.c).keys() <= told:
            return shown.where(*walk, *self._range()).order_by(*self.order(images.c)).limit(limit), None
        if (found := self._few()) is not None:
            few, fulfilled = found
            asked = (condition for name, condition in self._asked(images.c).items() if name != fulfilled)
            # One by one: PostgreSQL might rather go through the list, or count out the few again and again.
            each = shown.where(images.c.image_id == few.c.image_id, *walk, *self._range(), *asked).offset(0).lateral()
            return self._first(sa.select(each).join_from(few, each, sa.true()), limit), None
        end = self._end(walk, _MOST if self._search.text is None else _MOST_WITH_WORDS)
        looked_at = sa.select(images, *columns).where(*walk, *self._range(end)).offset(0).subquery()
        untold = [condition for name, condition in self._asked(looked_at.c).items() if name not in told]
        return self._first(sa.select(looked_at).where(*untold), limit), end

    def _first(self, query: sa.Select[Any], limit: int) -> sa.Select[Any]:
        each = query.subquery()
        return sa.select(each).order_by(*self.order(each.c)).limit(limit)

    def _walk(self) -> tuple[set[str], Conditions]:
        """Return the names of what one index tells, in the order of the list, and the conditions for that."""
        search, asked = self._search, self._asked(images.c)
        walk = [images.c.user_id == self._user_id]
        if "sha256" in asked:
            return {"sha256"}, [*walk, asked["sha256"], images.c.sha256.is_not(None)]
        if "content_type" in asked:
            return {"content_type"}, [*walk, asked["content_type"], images.c.content_type.is_not(None)]
        if search.status in {"pending", "failed"}:
            return {"status"}, [*walk, asked["status"], images.c.status != _STATUSES["ready"]]
        return set(), walk

    def _asked(self, of: sa.ColumnCollection[str, Any]) -> dict[str, sa.ColumnElement[bool]]:
        """Return the conditions that images with the columns `of` have to fulfil, but for their dates, by name."""
        search, asked = self._search, {}
        if search.sha256 is not None:
            asked["sha256"] = of.sha256 == search.sha256
        if search.content_type is not None:
            asked["content_type"] = of.content_type == search.content_type
        if search.status is not None:
            asked["status"] = of.status == _STATUSES[search.status]
        if search.collection_id is not None:
            pair = (memberships.c.collection_id == search.collection_id) & (memberships.c.image_id == of.image_id)
            # Looked up for each image: for EXISTS, PostgreSQL might read all members first.
            asked["collection"] = sa.select(memberships.c.position).where(pair).scalar_subquery().is_not(None)
        if search.text is not None:
            asked["text"] = self._has_words(search.text, of)
        return asked

    def _range(self, end: Place | None = None) -> Conditions:
        """Return the conditions for a place between the dates, after the last page, and not behind `end`.

        One for each side: PostgreSQL takes several for unlikely to be fulfilled together, and then reads and sorts all.
        """
        search, place = self._search, sa.tuple_(images.c.date_created, images.c.image_id)
        # There is no image with an empty id.
        lower = [] if search.created_after is None else [(search.created_after + timedelta(microseconds=1), "")]
        upper = [] if search.created_before is None else [(search.created_before, "")]
        if self._after is not None:
            (lower if search.oldest_first else upper).append(self._after)
        above, below = [place > bound(max(lower))] if lower else [], [place < bound(min(upper))] if upper else []
        if end is not None and search.oldest_first:
            below = [place <= bound(end)]
        elif end is not None:
            above = [place >= bound(end)]
        return [*above, *below]

    def _end(self, walk: Conditions, most: int) -> Place | None:
        """Return the place of the last image that is looked at, None if there are fewer than `most`.

        It is looked up first, and what is between is read then. If both were counted apart, images that come or go
        meanwhile would be shown twice or never.
        """
        query = sa.select(images.c.date_created, images.c.image_id).where(*walk, *self._range())
        row = self._connection.execute(query.order_by(*self.order(images.c)).offset(most - 1).limit(1)).first()
        return None if row is None else (row.date_created, row.image_id)

    # --- searches that begin with the few images which they may find ---

    def _few(self) -> tuple[sa.Subquery, str] | None:
        """Return the ids of all images that have the words, or are in the collection, and the name of that condition.

        Return None if they are too many. SQLite has no LATERAL, and no index of words: there the list is gone through.
        """
        if self._connection.dialect.name != "postgresql":
            return None
        for name, candidates, most in self._candidates():
            if self._expected(candidates) > _MOST_EXPECTED * most:
                continue
            few = candidates.limit(most + 1).subquery()
            count = self._connection.scalar(sa.select(sa.func.count()).select_from(few))
            if count is not None and count <= most:
                return few, name
        return None

    def _expected(self, query: sa.Select[Any]) -> int:
        """Return how many rows PostgreSQL expects of `query`, by its statistics.

        It goes through all that its index has of a word before it returns the first row, and some words are in
        millions of images. Where it is wrong, pages are as right, but take longer or have fewer images.
        """
        compiled = query.compile(dialect=self._connection.dialect)
        explained = self._connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {compiled}", dict(compiled.params))
        return int(explained.scalar_one()[0]["Plan"]["Plan Rows"])

    def _candidates(self) -> Iterator[tuple[str, sa.Select[Any], int]]:
        search, most = self._search, _MOST
        if search.text is not None:
            # The user is one of the words: with another condition, PostgreSQL might go through all images of the user.
            yield "text", sa.select(images.c.image_id).where(self._has_words(search.text, images.c)), most
            most = _MOST_WITH_WORDS
        if search.collection_id is not None:
            of_collection = memberships.c.collection_id == search.collection_id
            yield "collection", sa.select(memberships.c.image_id).where(of_collection), most

    def _has_words(self, text: str, of: sa.ColumnCollection[str, Any]) -> sa.ColumnElement[bool]:
        wanted = " ".join(words_of(text))
        if self._connection.dialect.name != "postgresql":
            searched = of.title + " " + of.description + " " + of.s3_key
            return sa.func.has_words(searched, wanted, type_=sa.Boolean)
        words = sa.func.plainto_tsquery(sa.literal_column("'simple'"), f"u{self._user_id.replace('-', '')} {wanted}")
        return sa.literal_column(WORDS_OF_IMAGE).op("@@", is_comparison=True)(words)


def bound(place: Place) -> sa.Tuple:
    """Return `place` as the parameters of a statement."""
    return sa.tuple_(sa.bindparam(None, place[0], type_=images.c.date_created.type), sa.bindparam(None, place[1]))
