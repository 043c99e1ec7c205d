"""The queries of the service; a `Store` lives as long as one transaction."""

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from catalog.adapters.collection_queries import CollectionQueries
from catalog.adapters.finding import Finding
from catalog.adapters.key_queries import KeyQueries
from catalog.adapters.queries import Position, each_made
from catalog.adapters.rows import image_from_row
from catalog.adapters.tables import images, outbox
from catalog.adapters.upkeep_queries import UpkeepQueries
from catalog.adapters.user_queries import UserQueries
from catalog.domain import Image, Search
from chassis.database import outbox as chassis_outbox
from chassis.envelope import Event

# What nearly every request asks for, put together once: that takes as long as to send it.
_IMAGE = sa.select(images).where(images.c.s3_key == sa.bindparam("s3_key"))


class Store(KeyQueries, CollectionQueries, UserQueries, UpkeepQueries):
    """Images, collections, jobs and the outbox, in the transaction of `connection`."""

    def image(self, s3_key: str, *, locked: bool = False) -> Image | None:
        """Return the image at `s3_key`, if any; `locked` locks its row until the transaction ends."""
        query = _IMAGE.with_for_update() if locked else _IMAGE
        row = self._connection.execute(query, {"s3_key": s3_key}).first()
        return image_from_row(row) if row else None

    def images(
        self, user_id: str, search: Search, limit: int, max_bytes: int, after: Position | None = None
    ) -> tuple[Iterator[Image], Position | None]:
        """Return up to `limit` images of a user that `search` finds, in its order, those after the position `after`.

        They are loaded as they are taken, before the transaction ends.

        They are fewer if they fill a page of `max_bytes`: the last one then fits no longer. And they are fewer, even
        none, if it takes too long to find others: then the second value is the position up to which was looked for
        them, else None.
        """
        found, end = Finding(self._connection, user_id, search, after).page(limit, max_bytes)
        return each_made(found, image_from_row), end

    def image_keys(self, user_id: str, limit: int) -> Sequence[str]:
        """Return the keys of up to `limit` images of a user."""
        query = sa.select(images.c.s3_key).where(images.c.user_id == user_id)
        query = query.order_by(images.c.date_created.desc(), images.c.image_id.desc()).limit(limit)
        return self._connection.scalars(query).all()

    def send(self, event: Event) -> None:
        """Write `event` into the outbox, so that it is sent if this transaction commits."""
        chassis_outbox.add(self._connection, outbox, event)
