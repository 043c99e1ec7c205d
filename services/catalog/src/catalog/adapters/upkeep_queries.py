"""The queries for upkeep: work that gets no further by itself, dead letters, and what may be forgotten."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from catalog.adapters.key_queries import NO_KEY, Key
from catalog.adapters.queries import Queries
from catalog.adapters.tables import dead_letters, deleted_images, images, is_pending, jobs, outbox
from catalog.domain import DeadLetter, Unanswered
from chassis.database import outbox as chassis_outbox


class UpkeepQueries(Queries):
    """What waits for too long, dead letters, and images that were deleted long ago."""

    def stuck_keys(self, before: datetime, limit: int, after: Key = NO_KEY) -> tuple[Sequence[Key], Key | None]:
        """Look at the next `limit` keys with open work after the key `after`, in the order of keys.

        Return those of them that are stuck, and the last key that was looked at, None if there are no more.

        A key is stuck as `KeyQueue.is_stuck` says: its image is pending without a job for its generation, or its oldest
        job was sent before `before`.
        """
        each = _open_keys(limit, after).subquery()
        own = (jobs.c.s3_key == images.c.s3_key) & (jobs.c.s3_bucket == images.c.s3_bucket)
        own &= (jobs.c.image_id == images.c.image_id) & (jobs.c.generation == images.c.generation)
        without_job = sa.select(images.c.image_id).where(
            images.c.s3_key == each.c.s3_key,
            images.c.s3_bucket == each.c.s3_bucket,
            is_pending,
            ~sa.exists().where(own, jobs.c.kind != "image.deleted"),
        )
        of_key = (jobs.c.s3_key == each.c.s3_key) & (jobs.c.s3_bucket == each.c.s3_bucket)
        sent = sa.select(sa.func.coalesce(jobs.c.date_sent, jobs.c.date_created)).where(of_key)
        first_sent = sent.order_by(jobs.c.job_id).limit(1).scalar_subquery()
        # Looked up for each key: for EXISTS, PostgreSQL might read all pending images first.
        is_stuck = without_job.scalar_subquery().is_not(None) | sa.func.coalesce(first_sent < before, sa.false())
        query = sa.select(each.c.s3_bucket, each.c.s3_key, is_stuck).order_by(each.c.s3_key, each.c.s3_bucket)
        looked_at = [((bucket, key), stuck) for bucket, key, stuck in self._connection.execute(query)]
        last = looked_at[-1][0] if len(looked_at) == limit else None
        return [key for key, stuck in looked_at if stuck], last

    def unanswered(self, before: datetime, limit: int) -> Sequence[Unanswered]:
        """Return up to `limit` keys whose oldest job was sent before `before`, in the order in which they were sent.

        A job that was never sent counts by when it was made, if it is among the `limit` oldest of those: all others
        that are not sent wait for jobs that were sent.
        """
        own = (images.c.s3_key == jobs.c.s3_key) & (images.c.image_id == jobs.c.image_id)
        due = sa.func.coalesce(images.c.date_pending, jobs.c.date_created).label("date_due")
        each, other = _jobs_since(before, limit).subquery(), jobs.alias()
        older = (other.c.s3_key == jobs.c.s3_key) & (other.c.s3_bucket == jobs.c.s3_bucket)
        older &= other.c.job_id < jobs.c.job_id
        query = (
            sa.select(jobs.c.s3_bucket, jobs.c.s3_key, due, each.c.date_sent)
            .join_from(each, jobs, jobs.c.job_id == each.c.job_id)
            .join(images, own, isouter=True)
            .where(~sa.exists().where(older))
            .order_by(each.c.date_sent, jobs.c.job_id)
            .limit(limit)
        )
        return [Unanswered(**row) for row in self._connection.execute(query).mappings()]

    def pending(self) -> tuple[int, datetime | None]:
        """Return how many images are pending, and since when the longest pending is so; None if none is."""
        since = sa.select(images.c.date_pending).where(is_pending, images.c.date_pending.is_not(None))
        # Of images that a release has written which did not know of that date. The first column makes the order that of
        # the index.
        updated = sa.select(images.c.date_updated).where(is_pending, images.c.date_pending.is_(None))
        oldest = (
            since.order_by(images.c.date_pending).limit(1).scalar_subquery(),
            updated.order_by(images.c.date_pending, images.c.date_updated).limit(1).scalar_subquery(),
        )
        query = sa.select(sa.func.count(), *oldest).select_from(images).where(is_pending)
        count, *dates = self._connection.execute(query).one()
        return count, min((date for date in dates if date is not None), default=None)

    def oldest_due(self) -> datetime | None:
        """Return when the oldest unpublished event was written; None if all are published."""
        return chassis_outbox.oldest_due(self._connection, outbox)

    # --- dead letters ---

    def add_dead_letter(self, letter: DeadLetter) -> None:
        """Add a dead letter, unless it is there already."""
        values = {name: value for name, value in asdict(letter).items() if name != "dead_letter_id"}
        with suppress(sa.exc.IntegrityError), self._connection.begin_nested():
            self._connection.execute(dead_letters.insert().values(values))

    def count_dead_letters(self, queue: str | None = None, reason: str | None = None) -> Sequence[tuple[str, str, int]]:
        """Return (queue, reason, count) of the dead letters, of `queue` and `reason` if given."""
        columns = (dead_letters.c.queue, dead_letters.c.reason)
        query = sa.select(*columns, sa.func.count()).where(*given_up(queue, reason))
        query = query.group_by(*columns).order_by(*columns)
        return [(queue, reason, count) for queue, reason, count in self._connection.execute(query)]

    # --- keys at which an image was deleted lately ---

    def forget_deleted_images(self, before: datetime, limit: int) -> int:
        """Forget up to `limit` images that were deleted before `before`; return how many.

        Those are remembered still whose originals are being deleted.
        """
        own = (jobs.c.s3_key == deleted_images.c.s3_key) & jobs.c.takes_original
        old = sa.select(deleted_images.c.s3_key).where(deleted_images.c.date_deleted < before, ~sa.exists().where(own))
        old = old.order_by(deleted_images.c.date_deleted).limit(limit)
        delete = deleted_images.delete().where(deleted_images.c.s3_key.in_(old.scalar_subquery()))
        return self._connection.execute(delete).rowcount


def _open_keys(limit: int, after: Key) -> sa.Select[Any]:
    """Return the query for the next `limit` keys, and their buckets, that have a pending image or jobs."""
    found = []
    for table, condition in ((images, is_pending), (jobs, sa.true())):
        place = (table.c.s3_key, table.c.s3_bucket)
        beyond = sa.tuple_(*place) > sa.tuple_(sa.literal(after[1]), sa.literal(after[0]))
        query = sa.select(*place).distinct().where(condition, beyond).order_by(*place).limit(limit)
        found.append(sa.select(query.subquery()))
    each = sa.union(*found).subquery()
    return sa.select(each).order_by(each.c.s3_key, each.c.s3_bucket).limit(limit)


def _jobs_since(before: datetime, limit: int) -> sa.CompoundSelect[Any]:
    """Return the query for jobs that were sent before `before`, or made before it and never sent: id and that date.

    Two queries, since no index serves coalesce().
    """
    sent = sa.select(jobs.c.job_id, jobs.c.date_sent).where(jobs.c.date_sent < before)
    sent = sent.order_by(jobs.c.date_sent, jobs.c.job_id).limit(limit)
    waiting = sa.select(jobs.c.job_id, jobs.c.date_created.label("date_sent"))
    waiting = waiting.where(jobs.c.date_sent.is_(None), jobs.c.date_created < before)
    waiting = waiting.order_by(jobs.c.date_created, jobs.c.job_id).limit(limit)
    return sa.union_all(sa.select(sent.subquery()), sa.select(waiting.subquery()))


def given_up(queue: str | None, reason: str | None) -> list[sa.ColumnElement[bool]]:
    """Return the conditions under which a dead letter is of `queue` and `reason`, where those are given."""
    given = ((dead_letters.c.queue, queue), (dead_letters.c.reason, reason))
    return [column == value for column, value in given if value is not None]
