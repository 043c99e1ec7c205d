"""What all queries of the service share; they are methods of a `Store`, by the resource in modules of their own."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa

from catalog.adapters.tables import images
from chassis.database.lengths import octet_length

Position = tuple[datetime, str]
Order = Callable[[sa.ColumnCollection[str, Any]], Sequence[sa.ColumnElement[Any]]]
Made = TypeVar("Made")

# An image has at least so many bytes as JSON: those of its texts, unescaped, and about 200 for the names of members.
LEAST_BYTES = (
    octet_length(images.c.title) + octet_length(images.c.description) + octet_length(images.c.s3_key) + 200
).label("least_bytes")


LIMIT = sa.bindparam("limit", type_=sa.Integer)
# Rows of a page that are objects of Python at a time. All of a page would take 5 MiB, and each thread may make one.
_PART = 25


class Queries:
    """Queries in the transaction of `connection`."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection


def bound(place: Position) -> sa.Tuple:
    """Return `place` as the parameters of a statement."""
    return sa.tuple_(sa.bindparam(None, place[0], type_=images.c.date_created.type), sa.bindparam(None, place[1]))


def each_made(found: sa.Result[Any], make: Callable[[sa.Row[Any]], Made]) -> Iterator[Made]:
    """Yield what `make` makes of each row of `found`; a few are loaded at a time, before the transaction ends."""
    for rows in found.partitions(_PART):
        yield from map(make, rows)


def filling(found: sa.Select[Any], order: Order) -> sa.Select[Any]:
    """Return the query for the rows of `images` for those of `found`, in `order`, until they fill a page.

    That is when they have at least as many bytes as JSON as the parameter `max_bytes` says; so what the page has no
    place for is not loaded. `found` has the columns `image_id` and `least_bytes`, those that `order` needs, and others,
    which the result has behind those of `images`.
    """
    each = found.subquery()
    up_to_here = sa.func.sum(each.c.least_bytes).over(order_by=order(each.c), rows=(None, 0))
    counted = sa.select(each, (up_to_here - each.c.least_bytes).label("before")).subquery()
    return (
        sa.select(images, *(column for column in counted.c if column.name not in images.c))
        .join_from(counted, images, counted.c.image_id == images.c.image_id)
        .where(counted.c.before < sa.bindparam("max_bytes", type_=sa.BigInteger))
        .order_by(*order(counted.c))
    )
