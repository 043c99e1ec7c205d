"""The queries for users: what they have, and what was handed out to them."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from catalog.adapters.queries import Queries
from catalog.adapters.tables import (
    deleted_users,
    formats_of_users,
    images_of_users,
    kept_answers,
    kept_in_hours,
    upload_prefixes,
    use_of_users,
)
from catalog.domain import FormatStats, Stats, Use
from chassis.clock import now
from chassis.database import kept_answers as chassis_kept_answers

_OF_USER_AND_LEFT = (formats_of_users.c.user_id == images_of_users.c.user_id) & (formats_of_users.c.images > 0)


class UserQueries(Queries):
    """What users have, and what was handed out to them; which users were deleted."""

    def use(self, user_id: str) -> Use:
        """Return what a user has."""
        row = self._connection.execute(_use_of(user_id)).mappings().first()
        return Use(**row) if row else Use()

    def locked_use(self, user_id: str) -> Use:
        """Return what a user has, which nobody changes until the transaction ends."""
        locked = _use_of(user_id).with_for_update()
        row = self._connection.execute(locked).mappings().first()
        if row is None:  # there is no row to be locked before the first image or collection
            insert = postgresql.insert if self._connection.dialect.name == "postgresql" else sqlite.insert
            nothing = insert(use_of_users).values(user_id=user_id, images=0, bytes=0, collections=0)
            self._connection.execute(nothing.on_conflict_do_nothing())
            row = self._connection.execute(locked).mappings().one()
        return Use(**row)

    def stats(self, user_id: str) -> Stats:
        """Return how many images a user has by status and by format."""
        query = (
            sa.select(
                images_of_users, formats_of_users.c.content_type, formats_of_users.c.images, formats_of_users.c.bytes
            )
            .join_from(images_of_users, formats_of_users, _OF_USER_AND_LEFT, isouter=True)
            .where(images_of_users.c.user_id == user_id)
            .order_by(formats_of_users.c.images.desc(), formats_of_users.c.content_type)
        )
        rows = self._connection.execute(query).all()
        if not rows:
            return Stats()
        formats = (FormatStats(*row[4:]) for row in rows if row.content_type is not None)
        return Stats(rows[0].pending, rows[0].ready, rows[0].failed, tuple(formats))

    def forget_use(self, user_id: str) -> None:
        """Delete the counts of what a user has, who has nothing."""
        for table in (use_of_users, images_of_users, formats_of_users):
            self._connection.execute(table.delete().where(table.c.user_id == user_id))

    def add_upload_prefix(self, prefix: str, user_id: str) -> None:
        """Record that `prefix` was handed out to a user for uploads."""
        self._connection.execute(upload_prefixes.insert().values(prefix=prefix, user_id=user_id, date_created=now()))

    def forget_upload_prefixes(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` prefixes that were handed out before `before`; return how many."""
        old = sa.select(upload_prefixes.c.prefix).where(upload_prefixes.c.date_created < before).limit(limit)
        delete = upload_prefixes.delete().where(upload_prefixes.c.prefix.in_(old.scalar_subquery()))
        return self._connection.execute(delete).rowcount

    def owner_of_upload_prefix(self, prefix: str) -> str | None:
        """Return the user to whom `prefix` was handed out, if any."""
        owner: str | None = self._connection.scalar(
            sa.select(upload_prefixes.c.user_id).where(upload_prefixes.c.prefix == prefix)
        )
        return owner

    def forget_kept_answers(self, user_id: str, limit: int) -> int:
        """Delete up to `limit` answers that are kept for a user; return how many."""
        return chassis_kept_answers.forget_user(self._connection, kept_answers, kept_in_hours, user_id, limit)

    def note_deleted_user(self, user_id: str) -> None:
        """Record that a user was deleted."""
        if not self.is_deleted_user(user_id):
            self._connection.execute(deleted_users.insert().values(user_id=user_id, date_created=now()))

    def is_deleted_user(self, user_id: str) -> bool:
        """Return whether a user was deleted."""
        query = sa.select(deleted_users.c.user_id).where(deleted_users.c.user_id == user_id)
        return self._connection.execute(query).first() is not None


def _use_of(user_id: str) -> sa.Select[Any]:
    counts = (use_of_users.c.images, use_of_users.c.bytes, use_of_users.c.collections)
    return sa.select(*counts).where(use_of_users.c.user_id == user_id)
