"""The queries for keys: their locks, and their images with the jobs that wait for each other."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from catalog import messages
from catalog.adapters.key_queues import former_changes, image_changes, job_changes, key_queue
from catalog.adapters.queries import Queries
from catalog.adapters.rows import FORMER_COLUMNS, JOB_COLUMNS, former_from_row, image_from_row, job_from_row
from catalog.adapters.tables import (
    blocked_keys,
    deleted_images,
    deleted_users,
    images,
    installation,
    jobs,
    outbox,
    upload_prefixes,
)
from catalog.domain import Image, Installation, Job, Standing
from catalog.key_queue import KeyQueue
from chassis.database import fingerprint
from chassis.database import outbox as chassis_outbox
from chassis.database.statements import execute_together

# The bucket and the key. This one is before all others.
Key = tuple[str, str]
NO_KEY: Key = ("", "")

# What nearly every request asks for, put together once: that takes as long as to send it.
_IMAGES = sa.select(images).where(images.c.s3_key.in_(sa.bindparam("s3_keys", expanding=True)))
_OF_KEYS = jobs.c.s3_key.in_(sa.bindparam("s3_keys", expanding=True))
_JOBS = sa.select(*JOB_COLUMNS).where(_OF_KEYS).order_by(jobs.c.job_id)
_FORMERS = sa.select(*FORMER_COLUMNS).where(deleted_images.c.s3_key.in_(sa.bindparam("s3_keys", expanding=True)))
_SEND = outbox.insert()
_INSTALLATION_COLUMNS = (installation.c.installation_id, installation.c.fingerprint, installation.c.owns_unmarked)
_INSTALLATION: sa.Select[Any] = sa.select(*_INSTALLATION_COLUMNS)


def _lock_of(kind: str) -> sa.ColumnElement[Any]:
    """Return the lock of what the parameter `kind` names, until the transaction ends."""
    return sa.func.pg_advisory_xact_lock(_number_of(kind))


def _number_of(kind: str) -> sa.ColumnElement[int]:
    return sa.func.hashtextextended(f"{kind}/" + sa.bindparam(kind, type_=sa.Text), 0)


_LOCK_USER = sa.select(_lock_of("user"))
_LOCK_KEY = sa.select(_lock_of("key"))
_SHARE_USER = sa.select(sa.func.pg_advisory_xact_lock_shared(_number_of("user")))
_SHARE_USER_LOCK_KEY = _SHARE_USER.add_columns(_lock_of("key"))


def _key_with_jobs(s3_bucket: sa.ColumnElement[str]) -> sa.Select[Any]:
    """Return the query for the image at a key, its jobs in `s3_bucket`, and what was deleted there last.

    It has the installation as well, which each event names: a message less to the database.
    """
    s3_key = sa.bindparam("s3_key", type_=sa.Text)
    of_key = (
        installation.outerjoin(images, images.c.s3_key == s3_key)
        .outerjoin(jobs, (jobs.c.s3_key == s3_key) & (jobs.c.s3_bucket == s3_bucket))
        .outerjoin(deleted_images, deleted_images.c.s3_key == s3_key)
    )
    columns = (*JOB_COLUMNS, *FORMER_COLUMNS, *_INSTALLATION_COLUMNS)
    return sa.select(images, *columns).select_from(of_key).order_by(jobs.c.job_id)


_KEY_IN_BUCKET = _key_with_jobs(sa.bindparam("s3_bucket", type_=sa.Text))
_KEY_OF_IMAGE = _key_with_jobs(images.c.s3_bucket)
_PREFIX_OWNER = sa.select(upload_prefixes.c.user_id).where(upload_prefixes.c.prefix == sa.bindparam("prefix"))
_NEW_KEY = _KEY_IN_BUCKET.add_columns(
    sa.exists().where(deleted_users.c.user_id == sa.bindparam("user_id")).label("user_is_gone"),
    _PREFIX_OWNER.scalar_subquery().label("prefix_owner"),
    sa.exists().where(blocked_keys.c.s3_key == sa.bindparam("s3_key")).label("key_is_blocked"),
)


class KeyQueries(Queries):
    """Locks, keys with their images and jobs, and which installation sends them."""

    # A row with `_INSTALLATION_COLUMNS`, if one was loaded.
    _loaded_installation: sa.Row[Any] | None = None

    # --- locks; SQLite has one writer at a time and needs none ---

    def lock_user(self, user_id: str) -> None:
        """Lock `user_id` until the transaction ends; waits for all transactions that share the lock."""
        self._lock(_LOCK_USER, user=user_id)

    def share_user(self, user_id: str) -> None:
        """Share the lock of `user_id` until the transaction ends."""
        self._lock(_SHARE_USER, user=user_id)

    def lock_key(self, s3_key: str) -> None:
        """Lock `s3_key` until the transaction ends: its image and jobs are read and changed by one at a time."""
        self._lock(_LOCK_KEY, key=s3_key)

    def lock_keys(self, s3_keys: Sequence[str]) -> None:
        """Lock `s3_keys` in their order, as `lock_key` does."""
        names = sa.func.unnest(sa.literal([f"key/{key}" for key in s3_keys], sa.ARRAY(sa.Text))).column_valued()
        self._lock(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(names, 0))))

    def _lock(self, locks: sa.Select[Any], **names: str) -> None:
        if self._connection.dialect.name == "postgresql":
            self._connection.execute(locks, names)

    # --- a key with its image and jobs ---

    def key_queue(self, s3_key: str, s3_bucket: str | None = None) -> KeyQueue:
        """Lock `s3_key` until the transaction ends, and load its image and jobs in `s3_bucket`.

        Without a bucket the jobs are those in the image's own.
        """
        self.lock_key(s3_key)
        # A query of its own: one that also took the lock would see the rows as they were before it had the lock.
        if s3_bucket is None:
            found = self._connection.execute(_KEY_OF_IMAGE, {"s3_key": s3_key})
        else:
            found = self._connection.execute(_KEY_IN_BUCKET, {"s3_key": s3_key, "s3_bucket": s3_bucket})
        return self._key_queue(s3_bucket, s3_key, found.all())

    def new_key_queue(self, user_id: str, s3_bucket: str, s3_key: str) -> tuple[Standing, KeyQueue]:
        """Do what `key_queue` does, for a registration by `user_id`, and return what may be against it, too.

        Before the key, the lock of the user is shared until the transaction ends.
        """
        self._lock(_SHARE_USER_LOCK_KEY, user=user_id, key=s3_key)
        names = {"user_id": user_id, "prefix": s3_key.partition("/")[0], "s3_key": s3_key, "s3_bucket": s3_bucket}
        # With the key locked, as whoever takes an image down locks it.
        rows = self._connection.execute(_NEW_KEY, names).all()
        standing = Standing(rows[0].user_is_gone, rows[0].prefix_owner, rows[0].key_is_blocked)
        return standing, self._key_queue(s3_bucket, s3_key, rows)

    def _key_queue(self, s3_bucket: str | None, s3_key: str, rows: Sequence[sa.Row[Any]]) -> KeyQueue:
        self._loaded_installation = rows[0]
        image = image_from_row(rows[0]) if rows[0].image_id is not None else None
        waiting = [job_from_row(row) for row in rows if row.job_id is not None]
        return key_queue(s3_bucket, s3_key, image, waiting, former_from_row(rows[0]))

    def key_queues(self, keys: Iterable[tuple[str | None, str]]) -> Sequence[KeyQueue]:
        """Do what `key_queue` does for each of `keys`, a bucket or None and a key; in the order of the locks."""
        wanted = sorted(set(keys), key=itemgetter(1))
        if len(wanted) == 1:  # one statement instead of three
            ((s3_bucket, s3_key),) = wanted
            return [self.key_queue(s3_key, s3_bucket)]
        s3_keys = sorted({s3_key for _, s3_key in wanted})
        self.lock_keys(s3_keys)
        at_keys = {image.s3_key: image for image in self.images_with_keys(s3_keys)}
        waiting = defaultdict[Key, list[Job]](list)
        for row in self._connection.execute(_JOBS, {"s3_keys": s3_keys}):
            job = job_from_row(row)
            waiting[job.registration.s3_bucket, job.registration.s3_key].append(job)
        rows = self._connection.execute(_FORMERS, {"s3_keys": s3_keys})
        former = {row.former_s3_key: former_from_row(row) for row in rows}
        found = []
        for s3_bucket, s3_key in wanted:
            image = at_keys.get(s3_key)
            own = waiting[s3_bucket or (image.s3_bucket if image else ""), s3_key]
            found.append(key_queue(s3_bucket, s3_key, image, own, former.get(s3_key)))
        return found

    def save(self, *queues: KeyQueue) -> None:
        """Save what has changed in `queues`, and send the jobs that are due, in the transaction that loaded them."""
        for queue in queues:
            if queue.is_saved:
                raise AssertionError("a key queue is saved once: it still has the state that was loaded")
            queue.is_saved = True
        changes = [*image_changes(queues), *job_changes(queues), *former_changes(queues)]
        due = [queue.due for queue in queues if queue.due is not None]
        if due:
            events = ((messages.job_event(job, self.own_installation), job.is_deletion) for job in due)
            rows = [chassis_outbox.row(event, later=later) for event, later in events]
            changes.append((_SEND, rows))
        execute_together(self._connection, changes, then=chassis_outbox.wake_relays(self._connection) if due else None)

    @cached_property
    def own_installation(self) -> Installation:
        """Which installation this is; read once in a transaction."""
        loaded = self._loaded_installation
        return self.installation() if loaded is None else self._installation_of(loaded)

    def images_with_keys(self, s3_keys: Sequence[str]) -> Sequence[Image]:
        """Return the images that there are at `s3_keys`."""
        return [image_from_row(row) for row in self._connection.execute(_IMAGES, {"s3_keys": s3_keys})]

    # --- which installation this is ---

    def installation(self) -> Installation:
        """Return which installation this is, and whether the database is still the one in which that was settled."""
        return self._installation_of(self._connection.execute(_INSTALLATION).one())

    def _installation_of(self, row: sa.Row[Any]) -> Installation:
        is_settled = row.fingerprint == fingerprint.of(self._connection)
        return Installation(row.installation_id, row.owns_unmarked, is_settled)
