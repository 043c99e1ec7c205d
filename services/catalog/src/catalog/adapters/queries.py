"""What all queries of the service share; they are methods of a `Store`, by the resource in modules of their own."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from catalog.adapters.tables import images
from chassis.database.lengths import octet_length

Position = tuple[datetime, str]
Order = Callable[[sa.ColumnCollection[str, Any]], Sequence[sa.ColumnElement[Any]]]

# An image has at least so many bytes as JSON: those of its texts, unescaped, and about 200 for the names of members.
LEAST_BYTES = (
    octet_length(images.c.title) + octet_length(images.c.description) + octet_length(images.c.s3_key) + 200
).label("least_bytes")


class Queries:
    """Queries in the transaction of `connection`."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def _filling(self, found: sa.Select[Any], max_bytes: int, order: Order) -> sa.MappingResult:
        """Return the rows of `images` for those of `found`, in `order`, until they have at least `max_bytes` as JSON.

        So what a page has no place for is not loaded. `found` has the columns `image_id` and `least_bytes`, those that
        `order` needs, and others that the result is to have too.
        """
        each = found.subquery()
        up_to_here = sa.func.sum(each.c.least_bytes).over(order_by=order(each.c), rows=(None, 0))
        counted = sa.select(each, (up_to_here - each.c.least_bytes).label("before")).subquery()
        query = (
            sa.select(images, *(column for column in counted.c if column.name not in images.c))
            .join_from(counted, images, counted.c.image_id == images.c.image_id)
            .where(counted.c.before < max_bytes)
            .order_by(*order(counted.c))
        )
        return self._connection.execute(query).mappings()
