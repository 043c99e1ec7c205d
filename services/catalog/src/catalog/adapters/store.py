"""The queries of the service; a `Store` lives as long as one transaction."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from functools import cached_property
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from catalog import messages
from catalog.adapters.finding import Finding, bound
from catalog.adapters.key_queues import former_changes, image_changes, job_changes, key_queue
from catalog.adapters.rows import FORMER_COLUMNS, JOB_COLUMNS, former_from_row, image_from_row, job_from_row
from catalog.adapters.tables import (
    blocked_keys,
    collections,
    dead_letters,
    deleted_images,
    deleted_users,
    formats_of_users,
    images,
    images_of_users,
    installation,
    is_pending,
    is_shown,
    jobs,
    kept_answers,
    kept_in_hours,
    memberships,
    outbox,
    upload_prefixes,
    use_of_users,
)
from catalog.domain import (
    Collection,
    DeadLetter,
    FormatStats,
    Image,
    ImageVersion,
    Installation,
    Job,
    Search,
    Standing,
    Stats,
    Unanswered,
    Use,
)
from catalog.errors import CollectionNameTakenError
from catalog.key_queue import KeyQueue
from catalog.places import START, Place
from chassis.clock import now
from chassis.database import fingerprint
from chassis.database import kept_answers as chassis_kept_answers
from chassis.database import outbox as chassis_outbox
from chassis.database.lengths import octet_length
from chassis.database.statements import execute_together
from chassis.database.transactions import violated_constraint
from chassis.envelope import Event

Position = tuple[datetime, str]
# The bucket and the key. This one is before all others.
Key = tuple[str, str]
NO_KEY: Key = ("", "")
Order = Callable[[sa.ColumnCollection[str, Any]], Sequence[sa.ColumnElement[Any]]]

# An image has at least so many bytes as JSON: those of its texts, unescaped, and about 200 for the names of members.
_LEAST_BYTES = (
    octet_length(images.c.title) + octet_length(images.c.description) + octet_length(images.c.s3_key) + 200
).label("least_bytes")

_OF_USER_AND_LEFT = (formats_of_users.c.user_id == images_of_users.c.user_id) & (formats_of_users.c.images > 0)

# What nearly every request asks for, put together once: that takes as long as to send it.
_IMAGE = sa.select(images).where(images.c.s3_key == sa.bindparam("s3_key"))
_IMAGES = sa.select(images).where(images.c.s3_key.in_(sa.bindparam("s3_keys", expanding=True)))
_OF_KEYS = jobs.c.s3_key.in_(sa.bindparam("s3_keys", expanding=True))
_JOBS = sa.select(*JOB_COLUMNS).where(_OF_KEYS).order_by(jobs.c.job_id)
_FORMERS = sa.select(*FORMER_COLUMNS).where(deleted_images.c.s3_key.in_(sa.bindparam("s3_keys", expanding=True)))
_COVER = (memberships.c.collection_id == collections.c.collection_id) & (
    memberships.c.image_id == collections.c.cover_id
)
_COLLECTIONS = (
    sa.select(collections, images.c.s3_key.label("cover"))
    .outerjoin_from(collections, memberships, _COVER)
    .outerjoin(images, (images.c.image_id == memberships.c.image_id) & is_shown)
)
_COLLECTION = _COLLECTIONS.where(collections.c.name == sa.bindparam("name"))


class Store:
    """Images, collections, jobs and the outbox, in the transaction of `connection`."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    # --- locks; SQLite has one writer at a time and needs none ---

    def lock_user(self, user_id: str) -> None:
        """Lock `user_id` until the transaction ends; waits for all transactions that share the lock."""
        self._lock(_lock_of(f"user/{user_id}"))

    def share_user(self, user_id: str, s3_key: str | None = None) -> None:
        """Share the lock of `user_id` until the transaction ends. Afterwards lock `s3_key`, if given, as `lock_key`."""
        locks = [sa.func.pg_advisory_xact_lock_shared(_number_of(f"user/{user_id}"))]
        self._lock(*locks, *[_lock_of(f"key/{key}") for key in [s3_key] if key is not None])

    def lock_key(self, s3_key: str) -> None:
        """Lock `s3_key` until the transaction ends: its image and jobs are read and changed by one at a time."""
        self._lock(_lock_of(f"key/{s3_key}"))

    def lock_keys(self, s3_keys: Sequence[str]) -> None:
        """Lock `s3_keys` in their order, as `lock_key` does."""
        names = sa.func.unnest(sa.literal([f"key/{key}" for key in s3_keys], sa.ARRAY(sa.Text))).column_valued()
        self._lock(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(names, 0)))

    def _lock(self, *locks: sa.ColumnElement[Any]) -> None:
        if self._connection.dialect.name == "postgresql":
            self._connection.execute(sa.select(*locks))

    # --- a key with its image and jobs ---

    def key_queue(self, s3_key: str, s3_bucket: str | None = None, *, is_locked: bool = False) -> KeyQueue:
        """Lock `s3_key` until the transaction ends, unless it `is_locked`, and load its image and jobs in `s3_bucket`.

        Without a bucket the jobs are those in the image's own.
        """
        if not is_locked:
            self.lock_key(s3_key)
        # A query of its own: one that also took the lock would see the rows as they were before it had the lock.
        bucket = images.c.s3_bucket if s3_bucket is None else sa.literal(s3_bucket)
        of_key = (
            sa.select(sa.literal(1))
            .subquery()
            .outerjoin(images, images.c.s3_key == s3_key)
            .outerjoin(jobs, (jobs.c.s3_key == s3_key) & (jobs.c.s3_bucket == bucket))
            .outerjoin(deleted_images, deleted_images.c.s3_key == s3_key)
        )
        query = sa.select(images, *JOB_COLUMNS, *FORMER_COLUMNS).select_from(of_key).order_by(jobs.c.job_id)
        rows = self._connection.execute(query).mappings().all()
        image = image_from_row(rows[0]) if rows[0]["image_id"] is not None else None
        waiting = [job_from_row(row) for row in rows if row["job_id"] is not None]
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
        for row in self._connection.execute(_JOBS, {"s3_keys": s3_keys}).mappings():
            job = job_from_row(row)
            waiting[job.registration.s3_bucket, job.registration.s3_key].append(job)
        rows = self._connection.execute(_FORMERS, {"s3_keys": s3_keys}).mappings()
        former = {row["former_s3_key"]: former_from_row(row) for row in rows}
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
            changes.append((outbox.insert(), rows))
        execute_together(self._connection, changes, then=chassis_outbox.wake_relays(self._connection) if due else None)

    @cached_property
    def own_installation(self) -> Installation:
        """Which installation this is; read once in a transaction."""
        return self.installation()

    # --- images ---

    def image(self, s3_key: str, *, locked: bool = False) -> Image | None:
        """Return the image at `s3_key`, if any; `locked` locks its row until the transaction ends."""
        query = _IMAGE.with_for_update() if locked else _IMAGE
        row = self._connection.execute(query, {"s3_key": s3_key}).mappings().first()
        return image_from_row(row) if row else None

    def images_with_keys(self, s3_keys: Sequence[str]) -> Sequence[Image]:
        """Return the images that there are at `s3_keys`."""
        return [image_from_row(row) for row in self._connection.execute(_IMAGES, {"s3_keys": s3_keys}).mappings()]

    def images(
        self, user_id: str, search: Search, limit: int, max_bytes: int, after: Position | None = None
    ) -> tuple[Sequence[Image], Position | None]:
        """Return up to `limit` images of a user that `search` finds, in its order, those after the position `after`.

        They are fewer if they fill a page of `max_bytes`: the last one then fits no longer. And they are fewer, even
        none, if it takes too long to find others: then the second value is the position up to which was looked for
        them, else None.
        """
        finding = Finding(self._connection, user_id, search, after)
        found, end = finding.query(limit, _LEAST_BYTES)
        return [image_from_row(row) for row in self._filling(found, max_bytes, finding.order)], end

    def image_keys(self, user_id: str, limit: int) -> Sequence[str]:
        """Return the keys of up to `limit` images of a user."""
        query = sa.select(images.c.s3_key).where(images.c.user_id == user_id)
        query = query.order_by(images.c.date_created.desc(), images.c.image_id.desc()).limit(limit)
        return self._connection.scalars(query).all()

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
        found = _members(collection_id, limit, after, images.c.image_id, _LEAST_BYTES)
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
        found = _before(sa.select(*_PLACE, images.c.image_id, _LEAST_BYTES), collection_id, before, limit)
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

    # --- events, and keys that get no further by themselves ---

    def send(self, event: Event) -> None:
        """Write `event` into the outbox, so that it is sent if this transaction commits."""
        chassis_outbox.add(self._connection, outbox, event)

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

    # --- which installation this is ---

    def installation(self) -> Installation:
        """Return which installation this is, and whether the database is still the one in which that was settled."""
        row = self._connection.execute(sa.select(installation)).one()
        is_settled = row.fingerprint == fingerprint.of(self._connection)
        return Installation(row.installation_id, row.owns_unmarked, is_settled)

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

    # --- keys at which not everybody may register ---

    def standing(self, user_id: str, s3_key: str) -> Standing:
        """Return what may be against a user's registration of `s3_key`."""
        prefix = s3_key.partition("/")[0]
        owner = sa.select(upload_prefixes.c.user_id).where(upload_prefixes.c.prefix == prefix).scalar_subquery()
        is_gone = sa.exists().where(deleted_users.c.user_id == user_id)
        is_blocked = sa.exists().where(blocked_keys.c.s3_key == s3_key)
        return Standing(*self._connection.execute(sa.select(is_gone, owner, is_blocked)).one())

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

    # --- users, what they have, and what was handed out to them ---

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


def _number_of(name: str) -> sa.ColumnElement[int]:
    return sa.func.hashtextextended(name, 0)


def _lock_of(name: str) -> sa.ColumnElement[Any]:
    return sa.func.pg_advisory_xact_lock(_number_of(name))


def _use_of(user_id: str) -> sa.Select[Any]:
    counts = (use_of_users.c.images, use_of_users.c.bytes, use_of_users.c.collections)
    return sa.select(*counts).where(use_of_users.c.user_id == user_id)


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
