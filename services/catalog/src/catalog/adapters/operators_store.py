"""The queries of operators' commands, beyond those of the service."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from catalog import messages
from catalog.adapters.queries import bound
from catalog.adapters.rows import image_from_row
from catalog.adapters.store import Store
from catalog.adapters.tables import (
    audit_notes,
    blocked_keys,
    dead_letters,
    images,
    installation,
    is_shown,
    jobs,
    memberships,
    outbox,
    reprocess_runs,
    upload_prefixes,
)
from catalog.adapters.upkeep_queries import given_up
from catalog.domain import DeadLetter, DeadLetterSummary, Failures, Image, Installation, OpenWork
from catalog.errors import DeadLetterNotFoundError
from catalog.runs import Run, Selection
from chassis.audit import Entry
from chassis.clock import now
from chassis.database import audit_notes as chassis_audit_notes
from chassis.database import fingerprint
from chassis.database.outbox import DUE, PUBLISHED, due

# Rows that one statement of a walk looks at: few enough that it never takes long, however many there are.
STEP = 2000
Conditions = tuple[sa.ColumnElement[bool], ...]


@dataclass(frozen=True)
class Walk:
    """A walk through the rows of `source` that fulfil `passed`, by `ids`, to those that fulfil `chosen` too.

    An index leads through the ids of what is passed; for what is chosen there need be none.
    """

    ids: sa.ColumnElement[str]
    source: sa.FromClause
    passed: Conditions
    chosen: Conditions

    def end_of_step(self, after: str) -> sa.Select[Any]:
        """Return the query for the id that is `STEP` ids behind `after`; it finds nothing where fewer follow."""
        passed = sa.select(self.ids).where(*self.passed, self.ids > after)
        return passed.order_by(self.ids).offset(STEP - 1).limit(1)

    def between(self, after: str, last: str | None, *columns: Any) -> sa.Select[Any]:
        """Return the query for `columns` of what is chosen among the ids after `after`, up to `last` if given."""
        query = sa.select(*columns).select_from(self.source).where(*self.passed, *self.chosen, self.ids > after)
        return query if last is None else query.where(self.ids <= last)


class OperatorsStore(Store):
    """A `Store` that also selects images of all users, and stores dead letters and runs of reprocessing."""

    # --- which installation this is ---

    def settle_installation(self, settled: Installation) -> None:
        """Record that this database is that of the installation `settled`."""
        self._connection.execute(
            installation.update().values(
                installation_id=settled.installation_id,
                owns_unmarked=settled.owns_unmarked,
                fingerprint=fingerprint.of(self._connection),
            )
        )

    def spare_originals(self) -> None:
        """Have no deletion that is queued take the original, too."""
        self._connection.execute(jobs.update().where(jobs.c.takes_original).values(takes_original=False))

    def drop_due(self, types: Sequence[str]) -> None:
        """Delete the unpublished events of `types` from the outbox."""
        self._connection.execute(outbox.delete().where(DUE, outbox.c.type.in_(types)))

    # --- what was taken down ---

    def block(self, s3_key: str, reason: str) -> None:
        """Let no image be registered at `s3_key`, which is locked, for `reason`."""
        self.unblock(s3_key)
        self._connection.execute(blocked_keys.insert().values(s3_key=s3_key, reason=reason, date_created=now()))

    def unblock(self, s3_key: str) -> bool:
        """Let images be registered at `s3_key` again; return whether it was blocked."""
        delete = blocked_keys.delete().where(blocked_keys.c.s3_key == s3_key)
        return self._connection.execute(delete).rowcount > 0

    def note(self, entry: Entry) -> None:
        """Have the worker write `entry` into the audit log once this transaction is committed."""
        chassis_audit_notes.add(self._connection, audit_notes, entry, now())

    # --- how things are ---

    def open_work(self) -> OpenWork:
        """Return what waits."""
        (outbox_count, outbox_since), (pending, pending_since) = due(self._connection, outbox), self.pending()
        # One by one: each is served by an index.
        is_sent, counted = jobs.c.date_sent.is_not(None), sa.select(sa.func.count()).select_from(jobs)
        sent = self._connection.scalar(counted.where(is_sent)) or 0
        waiting = self._connection.scalar(counted.where(~is_sent)) or 0
        oldest = sa.select(jobs.c.date_sent).where(is_sent).order_by(jobs.c.date_sent).limit(1)
        sent_since = self._connection.scalar(oldest)
        dead: Counter[str] = Counter()
        for _, reason, count in self.count_dead_letters():
            dead[reason] += count
        first = sa.select(dead_letters.c.date_created).order_by(dead_letters.c.dead_letter_id).limit(1)
        dead_since = self._connection.scalar(first)
        return OpenWork(
            outbox_count, outbox_since, pending, pending_since, sent, sent_since, waiting, dict(dead), dead_since
        )

    def sent_since(self, moments: Sequence[datetime]) -> dict[str, list[int]]:
        """Return how many events of each type of job were sent since each of `moments`, which are within an hour."""
        counts = [sa.func.count().filter(outbox.c.date_published >= moment) for moment in moments]
        query = sa.select(outbox.c.type, *counts).where(PUBLISHED, outbox.c.date_published >= min(moments))
        found = {name: list(numbers) for name, *numbers in self._connection.execute(query.group_by(outbox.c.type))}
        return {name: found.get(name, [0] * len(moments)) for name in messages.JOBS}

    def answered_since(self, moments: Sequence[datetime]) -> dict[str, list[int]]:
        """Return how many images are ready and failed that were changed last since each of `moments`."""
        counts = [sa.func.count().filter(images.c.date_updated >= moment) for moment in moments]
        query = sa.select(images.c.status, *counts).where(images.c.date_updated >= min(moments))
        query = query.where(images.c.status.in_(("ready", "failed"))).group_by(images.c.status)
        found = {name: list(numbers) for name, *numbers in self._connection.execute(query)}
        return {name: found.get(name, [0] * len(moments)) for name in ("ready", "failed")}

    def failures(self, since: datetime) -> Sequence[Failures]:
        """Return what images have failed with since `since`, the latest first."""
        last = sa.func.max(images.c.date_updated, type_=images.c.date_updated.type).label("last")
        query = sa.select(images.c.error_code, sa.func.count(), last).group_by(images.c.error_code)
        query = query.where(images.c.status == "failed", images.c.date_updated >= since).order_by(last.desc())
        return [
            Failures(code, count, date, self._failed_at(code, date) or "")
            for code, count, date in self._connection.execute(query).all()
        ]

    def _failed_at(self, code: str, date: datetime) -> str | None:
        query = sa.select(images.c.s3_key).where(images.c.status == "failed", images.c.date_updated == date)
        return self._connection.scalar(query.where(images.c.error_code == code).limit(1))

    # --- dead letters ---

    def dead_letter(self, dead_letter_id: int) -> DeadLetter:
        """Return a dead letter, locked until the transaction ends. Raise `DeadLetterNotFoundError`."""
        query = sa.select(dead_letters).where(dead_letters.c.dead_letter_id == dead_letter_id).with_for_update()
        row = self._connection.execute(query).mappings().first()
        if row is None:
            raise DeadLetterNotFoundError(dead_letter_id)
        return DeadLetter(**row)

    def dead_letters(
        self, queue: str | None, reason: str | None, limit: int, after: int = 0
    ) -> Sequence[DeadLetterSummary]:
        """Return up to `limit` dead letters, oldest first, numbered above `after`, of `queue` and `reason` if given."""
        summary = [column for column in dead_letters.c if column is not dead_letters.c.body]
        query = sa.select(*summary).where(dead_letters.c.dead_letter_id > after, *given_up(queue, reason))
        query = query.order_by(dead_letters.c.dead_letter_id).limit(limit)
        return [DeadLetterSummary(**row) for row in self._connection.execute(query).mappings()]

    def remove_dead_letter(self, dead_letter_id: int) -> None:
        """Delete a dead letter."""
        self._connection.execute(dead_letters.delete().where(dead_letters.c.dead_letter_id == dead_letter_id))

    # --- selections and runs of reprocessing ---

    def unknown_keys(self, keys: Sequence[str]) -> Sequence[str]:
        """Return those of `keys` that no image has."""
        known = set(self._connection.scalars(sa.select(images.c.s3_key).where(images.c.s3_key.in_(keys))))
        return [key for key in keys if key not in known]

    def count_selected(self, selection: Selection, after: str = "") -> int:
        """Count the images of `selection` with ids after `after`."""
        return self._count(_walk(selection), after)

    def selected(self, selection: Selection, after: str, limit: int) -> tuple[Sequence[tuple[str, str]], str | None]:
        """Return (id, key) of up to `limit` images of `selection`, ordered by id, with ids after `after`.

        Return also the id after which to go on, None behind the last. Images may follow where fewer are returned, or
        none: no more than `STEP` are looked at.
        """
        walk = _walk(selection)
        after, last = next(self._steps(walk, after))
        query = walk.between(after, last, images.c.image_id, images.c.s3_key).order_by(walk.ids).limit(limit)
        found = [(row.image_id, row.s3_key) for row in self._connection.execute(query)]
        return found, found[-1][0] if len(found) == limit else last

    def still_selected(self, selection: Selection, image_ids: Sequence[str]) -> Collection[str]:
        """Return those of `image_ids` that are of `selection`."""
        query = sa.select(images.c.image_id).where(images.c.image_id.in_(image_ids), *_conditions(selection))
        return set(self._connection.scalars(query))

    def count_open_keys(self, limit: int) -> int:
        """Count the keys that have jobs, up to `limit`."""
        # In the order of the index: then no more keys are read than are counted.
        place = (jobs.c.s3_key, jobs.c.s3_bucket)
        keys = sa.select(*place).distinct().order_by(*place).limit(limit).subquery()
        return self._connection.scalar(sa.select(sa.func.count()).select_from(keys)) or 0

    def add_run(self, selection: Selection, total: int) -> Run:
        """Add a run that has queued nothing yet, and return it."""
        begun = Run(0, selection, total, done=0, cursor="", date_created=now())
        values = {name: value for name, value in asdict(begun).items() if name != "run_id"}
        insert = reprocess_runs.insert().values(values).returning(reprocess_runs.c.run_id)
        return replace(begun, run_id=self._connection.execute(insert).scalar_one())

    def run(self, run_id: int, *, locked: bool = False) -> Run | None:
        """Return a run, if there is one; `locked` locks its row until the transaction ends."""
        query = sa.select(reprocess_runs).where(reprocess_runs.c.run_id == run_id)
        return self._run(query.with_for_update() if locked else query)

    def newest_unfinished_run(self) -> Run | None:
        """Return the unfinished run that began last, if there is one."""
        unfinished = sa.select(reprocess_runs).where(reprocess_runs.c.date_finished.is_(None))
        return self._run(unfinished.order_by(reprocess_runs.c.run_id.desc()).limit(1))

    def update_run(self, run: Run) -> None:
        """Record how far `run` is; its row is locked."""
        self._connection.execute(
            reprocess_runs.update()
            .where(reprocess_runs.c.run_id == run.run_id)
            .values(done=run.done, cursor=run.cursor, date_finished=run.date_finished)
        )

    # --- what is compared with S3 ---

    def upload_prefixes(
        self, before: datetime, limit: int, after: tuple[datetime, str] | None = None
    ) -> Sequence[tuple[datetime, str]]:
        """Return (date, prefix) of up to `limit` prefixes handed out before `before`, oldest first, after `after`."""
        place = (upload_prefixes.c.date_created, upload_prefixes.c.prefix)
        query = sa.select(*place).where(upload_prefixes.c.date_created < before).order_by(*place).limit(limit)
        if after is not None:
            query = query.where(sa.tuple_(*place) > bound(after))
        return [(row.date_created, row.prefix) for row in self._connection.execute(query)]

    def owners_of_upload_prefixes(self, prefixes: Collection[str]) -> Mapping[str, str]:
        """Return the users to whom those of `prefixes` were handed out that were."""
        query = sa.select(upload_prefixes.c.prefix, upload_prefixes.c.user_id)
        rows = self._connection.execute(query.where(upload_prefixes.c.prefix.in_(prefixes)))
        return {row.prefix: row.user_id for row in rows}

    def has_images(self, s3_bucket: str) -> bool:
        """Return whether any image lives in a bucket."""
        walk = Walk(images.c.image_id, images, (), (images.c.s3_bucket == s3_bucket,))
        queries = (walk.between(after, last, images.c.image_id).limit(1) for after, last in self._steps(walk))
        return any(self._connection.execute(query).first() is not None for query in queries)

    def count_ready(self, s3_bucket: str) -> int:
        """Count the ready images of a bucket."""
        return self._count(_ready(s3_bucket))

    def ready_images(self, s3_bucket: str, after: str, limit: int) -> tuple[Sequence[Image], str | None]:
        """Return up to `limit` ready images of a bucket, ordered by id, with ids after `after`.

        Return also the id after which to go on, as `selected` does.
        """
        walk = _ready(s3_bucket)
        after, last = next(self._steps(walk, after))
        query = walk.between(after, last, images).order_by(walk.ids).limit(limit)
        found = [image_from_row(row) for row in self._connection.execute(query)]
        return found, found[-1].image_id if len(found) == limit else last

    def images_at(self, s3_bucket: str, keys: Collection[str]) -> dict[str, Image]:
        """Return the images at `keys` in a bucket, by key."""
        query = sa.select(images).where(images.c.s3_key.in_(keys), images.c.s3_bucket == s3_bucket)
        return {row.s3_key: image_from_row(row) for row in self._connection.execute(query)}

    def keys_with_jobs(self, s3_bucket: str, keys: Collection[str]) -> Collection[str]:
        """Return those of `keys` that have open jobs in a bucket."""
        query = sa.select(jobs.c.s3_key).where(jobs.c.s3_key.in_(keys), jobs.c.s3_bucket == s3_bucket)
        return set(self._connection.scalars(query))

    def _run(self, query: sa.Select[Any]) -> Run | None:
        row = self._connection.execute(query).mappings().first()
        return None if row is None else Run(**{**row, "selection": _selection(row["selection"])})

    # --- walks ---

    def _steps(self, walk: Walk, after: str = "") -> Iterator[tuple[str, str | None]]:
        """Yield two ids for each step of `walk`, which is after the first and up to the second, if there is one."""
        end: str | None = after
        while end is not None:
            begin, end = end, self._connection.scalar(walk.end_of_step(end))
            yield begin, end

    def _count(self, walk: Walk, after: str = "") -> int:
        counted = (walk.between(*step, sa.func.count()) for step in self._steps(walk, after))
        return sum(self._connection.scalar(query) or 0 for query in counted)


def _ready(s3_bucket: str) -> Walk:
    chosen = (images.c.s3_bucket == s3_bucket, images.c.status == "ready")
    return Walk(images.c.image_id, images, (), chosen)


def _walk(selection: Selection) -> Walk:
    """Return the walk to the images of `selection`, through as few others as an index can tell."""
    if selection.keys is not None:
        passed: Conditions = (images.c.s3_key.in_(selection.keys),)
        return Walk(images.c.image_id, images, passed, _conditions(selection))
    if selection.collection_id is not None:
        passed = (memberships.c.collection_id == selection.collection_id,)
        chosen = _conditions(replace(selection, collection_id=None))
        return Walk(memberships.c.image_id, memberships.join(images), passed, chosen)
    return Walk(images.c.image_id, images, (), _conditions(selection))


def _conditions(selection: Selection) -> Conditions:
    conditions: list[sa.ColumnElement[bool]] = [is_shown]
    if selection.keys is not None:
        conditions.append(images.c.s3_key.in_(selection.keys))
    if selection.collection_id is not None:
        pair = (memberships.c.collection_id == selection.collection_id, memberships.c.image_id == images.c.image_id)
        conditions.append(sa.exists().where(*pair))
    if selection.user_id is not None:
        conditions.append(images.c.user_id == selection.user_id)
    if selection.status is not None:
        conditions.append(images.c.status == selection.status)
    if selection.recipe_older_than is not None:
        conditions.append(images.c.recipe < selection.recipe_older_than)
    return tuple(conditions)


def _selection(stored: dict[str, Any]) -> Selection:
    return Selection(**{**stored, "keys": None if stored["keys"] is None else tuple(stored["keys"])})
