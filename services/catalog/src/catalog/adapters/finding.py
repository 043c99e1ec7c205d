"""Which images of a user a search finds: for a page a bounded number of rows is read, however many images there are.

Each search goes through an index in the order of its list. What no index tells is asked of each image, and that of so
many at a time only: then the page ends, perhaps with few images or none, and the next one goes on there. A search for
words that few images have, or in a small collection, begins with those images.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, cast

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from catalog.adapters.queries import LEAST_BYTES, LIMIT, filling
from catalog.adapters.tables import WORDS_OF_IMAGE, images, memberships
from catalog.domain import Search, Status, words_of

if TYPE_CHECKING:
    import sqlite3

Place = tuple[datetime, str]
Conditions = list[sa.ColumnElement[bool]]
Candidates = Literal["text", "collection"]

# Images that are looked at for a page. Their words take longer; those of a megabyte took PostgreSQL 126 ms, and some
# descriptions have 10,000 characters: there the bytes of the texts count as well, as `LEAST_BYTES` tells them.
_MOST, _MOST_WITH_WORDS, _MOST_BYTES_WITH_WORDS = 4000, 1000, 512 * 1024

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


@dataclass(frozen=True)
class _Shape:
    """What of a search makes the statements for it; all else that it says are their parameters.

    `asked` has the names of what images have to fulfil. `above` and `below` compare the place of an image with a bound
    on that side, by time; they are empty where there is none.
    """

    is_postgresql: bool
    asked: frozenset[str]
    status: Status | None
    oldest_first: bool
    above: Literal["", ">", ">="] = ""
    below: Literal["", "<", "<="] = ""

    def up_to(self) -> "_Shape":
        """Return the same with an end, which counts, where the list goes on."""
        return replace(self, below="<=") if self.oldest_first else replace(self, above=">=")

    @property
    def most(self) -> int:
        """How many images are looked at for a page, at most."""
        return _MOST_WITH_WORDS if "text" in self.asked else _MOST

    def reads_words(self, candidates: Candidates | None) -> bool:
        """Return whether the words of `candidates` are looked at, and not told by their index; None are all images."""
        return "text" in self.asked and candidates != "text"


class Finding:
    """The images of a user that `search` finds, those after the place `after`, on the database of `connection`."""

    def __init__(self, connection: sa.Connection, user_id: str, search: Search, after: Place | None) -> None:
        self._connection = connection
        # There is no image with an empty id.
        above = [] if search.created_after is None else [(search.created_after + timedelta(microseconds=1), "")]
        below = [] if search.created_before is None else [(search.created_before, "")]
        if after is not None:
            (above if search.oldest_first else below).append(after)
        asked = {
            "sha256": search.sha256,
            "content_type": search.content_type,
            "status": search.status,
            "collection": search.collection_id,
            "text": search.text,
        }
        self._shape = _Shape(
            is_postgresql=connection.dialect.name == "postgresql",
            asked=frozenset(name for name, value in asked.items() if value is not None),
            status=search.status,
            oldest_first=search.oldest_first,
            above=">" if above else "",
            below="<" if below else "",
        )
        self._values: dict[str, Any] = {
            "user_id": user_id,
            "sha256": search.sha256,
            "content_type": search.content_type,
            "collection_id": search.collection_id,
            **(_values("above", max(above)) if above else {}),
            **(_values("below", min(below)) if below else {}),
        }
        if search.text is not None:
            self._values["words"] = " ".join(words_of(search.text))
            self._values["user_and_words"] = f"u{user_id.replace('-', '')} {self._values['words']}"

    def page(self, limit: int, max_bytes: int) -> tuple[sa.Result[Any], Place | None]:
        """Return the rows of up to `limit` images, until they fill `max_bytes`, and where it stops looking for others.

        That is None if it finds all that there are; otherwise further ones may follow behind that place.
        """
        shape, size = self._shape, {"limit": limit, "max_bytes": max_bytes}
        if shape.asked <= _told(shape):
            return self._execute(_page_of_walk(shape), **size), None
        if (name := self._few()) is not None:
            return self._execute(_page_of_few(shape, name), **size), None
        end = self._end()
        if end is None:
            return self._execute(_page_of_looked_at(shape), **size), None
        bound = _values("below" if shape.oldest_first else "above", end)
        return self._execute(_page_of_looked_at(shape.up_to()), **size, **bound), end

    def _execute(self, statement: sa.Select[Any], **values: Any) -> sa.Result[Any]:
        return self._connection.execute(statement, {**self._values, **values})

    def _end(self) -> Place | None:
        """Return the place of the last image that is looked at, None if there are fewer than are looked at for a page.

        It is looked up first, and what is between is read then. If both were counted apart, images that come or go
        meanwhile would be shown twice or never.
        """
        row = self._execute(_last_looked_at(self._shape)).first()
        return None if row is None else (row.date_created, row.image_id)

    # --- searches that begin with the few images which they may find ---

    def _few(self) -> Candidates | None:
        """Return of what there are so few images that all of them are looked at: the words, or the collection.

        SQLite has no LATERAL, and no index of words: there the list is gone through.
        """
        if not self._shape.is_postgresql:
            return None
        for name, most in _candidates(self._shape):
            if self._expected(_ids(name)) > _MOST_EXPECTED * most:
                continue
            if self._execute(_are_few(self._shape, name, most)).scalar_one():
                return name
        return None

    def _expected(self, query: sa.Select[Any]) -> int:
        """Return how many rows PostgreSQL expects of `query`, by its statistics.

        It goes through all that its index has of a word before it returns the first row, and some words are in
        millions of images. Where it is wrong, pages are as right, but take longer or have fewer images.
        """
        compiled = query.compile(dialect=self._connection.dialect)
        values = dict(compiled.construct_params(self._values))
        explained = self._connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {compiled}", values)
        return int(explained.scalar_one()[0]["Plan"]["Plan Rows"])


# --- statements; those of the last shapes are kept, since it takes longer to put them together than to send them ---

_kept = lru_cache(maxsize=64)


@_kept
def _page_of_walk(shape: _Shape) -> sa.Select[Any]:
    """Return the page of a search of which one index tells all."""
    query = _shown().where(*_walk(shape), *_range(shape)).order_by(*_order(shape, images.c)).limit(LIMIT)
    return _filled(shape, query)


@_kept
def _page_of_few(shape: _Shape, name: Candidates) -> sa.Select[Any]:
    """Return the page of a search that begins with the few images of `name`."""
    few = _ids(name).limit(dict(_candidates(shape))[name] + 1).subquery()
    asked = (condition for each, condition in _asked(shape, images.c).items() if each != name)
    # One by one: PostgreSQL might rather go through the list, or count out the few again and again.
    found = _shown().where(images.c.image_id == few.c.image_id, *_walk(shape), *_range(shape), *asked)
    each = found.offset(0).lateral()
    return _filled(shape, _first(shape, sa.select(each).join_from(few, each, sa.true())))


@_kept
def _page_of_looked_at(shape: _Shape) -> sa.Select[Any]:
    """Return the page of a search that asks each image in the range of `shape`."""
    in_range = sa.select(images, LEAST_BYTES).where(*_walk(shape), *_range(shape))
    # In order: so it ends as soon as the page is full, where many images fulfil the conditions.
    looked_at = in_range.order_by(*_order(shape, images.c)).offset(0).subquery()
    told = _told(shape)
    untold = [condition for name, condition in _asked(shape, looked_at.c).items() if name not in told]
    return _filled(shape, _first(shape, sa.select(looked_at).where(*untold)))


@_kept
def _last_looked_at(shape: _Shape) -> sa.Select[Any]:
    order = _order(shape, images.c)
    if not shape.reads_words(None):
        query = sa.select(images.c.date_created, images.c.image_id).where(*_walk(shape), *_range(shape))
        return query.order_by(*order).offset(shape.most - 1).limit(1)
    most = _shown().where(*_walk(shape), *_range(shape)).order_by(*order).limit(shape.most).subquery()
    number = sa.func.count().over(order_by=_order(shape, most.c), rows=(None, 0))
    size = sa.func.sum(most.c.least_bytes).over(order_by=_order(shape, most.c), rows=(None, 0))
    each = sa.select(most, number.label("number"), size.label("size")).subquery()
    is_last = sa.or_(each.c.number == shape.most, each.c.size >= _MOST_BYTES_WITH_WORDS)
    return sa.select(each.c.date_created, each.c.image_id).where(is_last).order_by(*_order(shape, each.c)).limit(1)


@_kept
def _ids(name: Candidates) -> sa.Select[Any]:
    """Return the query for the ids of all images with the words, or in the collection."""
    if name == "text":
        # The user is one of the words: with another condition, PostgreSQL might go through all images of the user.
        return sa.select(images.c.image_id).where(_has_words(images.c, is_postgresql=True))
    of_collection = memberships.c.collection_id == sa.bindparam("collection_id", type_=sa.Text)
    return sa.select(memberships.c.image_id).where(of_collection)


@_kept
def _are_few(shape: _Shape, name: Candidates, most: int) -> sa.Select[Any]:
    """Return the query for whether all of `name` can be looked at for a page."""
    few = _ids(name).limit(most + 1).subquery()
    if not shape.reads_words(name):
        return sa.select(sa.func.count() <= most).select_from(few)
    each = sa.select(LEAST_BYTES).where(images.c.image_id == few.c.image_id).offset(0).lateral()  # one by one
    size = sa.func.coalesce(sa.func.sum(each.c.least_bytes), 0)
    is_few = sa.and_(sa.func.count() <= most, size < _MOST_BYTES_WITH_WORDS)
    return sa.select(is_few).join_from(few, each, sa.true())


def _candidates(shape: _Shape) -> Iterator[tuple[Candidates, int]]:
    """Yield of what there may be few images, and what few are."""
    if "text" in shape.asked:
        yield "text", _MOST
    if "collection" in shape.asked:
        yield "collection", shape.most


def _shown() -> sa.Select[Any]:
    return sa.select(images.c.image_id, images.c.date_created, LEAST_BYTES)


def _first(shape: _Shape, query: sa.Select[Any]) -> sa.Select[Any]:
    each = query.subquery()
    return sa.select(each).order_by(*_order(shape, each.c)).limit(LIMIT)


def _filled(shape: _Shape, query: sa.Select[Any]) -> sa.Select[Any]:
    return filling(query, lambda columns: _order(shape, columns))


def _order(shape: _Shape, columns: sa.ColumnCollection[str, Any]) -> Sequence[sa.ColumnElement[Any]]:
    """Return the order of the list."""
    place = (columns.date_created, columns.image_id)
    return place if shape.oldest_first else tuple(column.desc() for column in place)


def _told(shape: _Shape) -> frozenset[str]:
    """Return the names of what one index tells, in the order of the list."""
    for name in ("sha256", "content_type"):
        if name in shape.asked:
            return frozenset({name})
    return frozenset({"status"}) if shape.status in {"pending", "failed"} else frozenset()


def _walk(shape: _Shape) -> Conditions:
    """Return the conditions for what that index tells."""
    walk = [images.c.user_id == sa.bindparam("user_id", type_=sa.Text)]
    for name in _told(shape):
        column = images.c[name]
        is_indexed = column != _STATUSES["ready"] if name == "status" else column.is_not(None)
        walk += [_asked(shape, images.c)[name], is_indexed]
    return walk


def _asked(shape: _Shape, of: sa.ColumnCollection[str, Any]) -> dict[str, sa.ColumnElement[bool]]:
    """Return the conditions that images with the columns `of` have to fulfil, but for their dates, by name."""
    asked: dict[str, sa.ColumnElement[bool]] = {}
    for name in sorted(shape.asked - {"collection", "text"}):
        wanted = _STATUSES[cast("str", shape.status)] if name == "status" else sa.bindparam(name, type_=sa.Text)
        asked[name] = of[name] == wanted
    if "collection" in shape.asked:
        pair = memberships.c.collection_id == sa.bindparam("collection_id", type_=sa.Text)
        member = sa.select(memberships.c.position).where(pair, memberships.c.image_id == of.image_id)
        # Looked up for each image: for EXISTS, PostgreSQL might read all members first.
        asked["collection"] = member.scalar_subquery().is_not(None)
    if "text" in shape.asked:
        asked["text"] = _has_words(of, is_postgresql=shape.is_postgresql)
    return asked


def _has_words(of: sa.ColumnCollection[str, Any], *, is_postgresql: bool) -> sa.ColumnElement[bool]:
    if not is_postgresql:
        searched = of.title + " " + of.description + " " + of.s3_key
        return sa.func.has_words(searched, sa.bindparam("words", type_=sa.Text), type_=sa.Boolean)
    wanted = sa.bindparam("user_and_words", type_=sa.Text)
    words = sa.func.plainto_tsquery(sa.literal_column("'simple'"), wanted)
    return sa.literal_column(WORDS_OF_IMAGE).op("@@", is_comparison=True)(words)


def _range(shape: _Shape) -> Conditions:
    """Return the conditions for a place between the bounds.

    One for each side: PostgreSQL takes several for unlikely to be fulfilled together, and then reads and sorts all.
    """
    place = sa.tuple_(images.c.date_created, images.c.image_id)
    sides: tuple[tuple[str, str], ...] = (("above", shape.above), ("below", shape.below))
    return [place.op(sign, is_comparison=True)(_bound(side)) for side, sign in sides if sign]


def _bound(side: str) -> sa.Tuple:
    moment = sa.bindparam(f"{side}_moment", type_=images.c.date_created.type)
    return sa.tuple_(moment, sa.bindparam(f"{side}_id", type_=sa.Text))


def _values(side: str, place: Place) -> Mapping[str, Any]:
    return dict(zip((f"{side}_moment", f"{side}_id"), place, strict=True))
