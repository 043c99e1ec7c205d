"""Kept answers: written in the transaction of a change, so that a request which is sent again does not repeat it.

There is never a change without its kept answer, nor the reverse. What is refused changes nothing and is not kept.
How much is kept for a user is counted by the hour in which it was kept: then nothing has to be counted down, and what
expires first is known, however much there is.
"""

import json
import math
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from chassis.clock import now
from chassis.database.columns import UtcDateTime
from chassis.database.transactions import transact
from chassis.idempotency import KEPT_FOR, Claim, KeptAnswer, KeyInFlightError, KeyReusedError, TooManyKeysError

LARGEST_BODY = 128 * 1024
SWEEP_EVERY_S = 60.0
SWEEP_BATCH = 1000
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Kept:
    """The tables of a service that keeps answers, and what they may hold for a user: `most` answers, of `most_bytes`.

    0 is no limit.
    """

    answers: sa.Table
    hours: sa.Table
    most: int = 0
    most_bytes: int = 0


def table(metadata: sa.MetaData) -> sa.Table:
    """Return the table of kept answers, added to `metadata`."""
    return sa.Table(
        "kept_answers",
        metadata,
        sa.Column("user_id", sa.String(36), primary_key=True),
        sa.Column("key_digest", sa.String(64), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("headers", sa.JSON, nullable=False),
        # Null where the answer showed a secret.
        sa.Column("body", sa.LargeBinary),
        sa.Column("date_created", UtcDateTime, nullable=False, index=True),
    )


def hours_table(metadata: sa.MetaData) -> sa.Table:
    """Return the table of how much was kept for each user in each hour, added to `metadata`."""
    return sa.Table(
        "kept_in_hours",
        metadata,
        sa.Column("user_id", sa.String(36), primary_key=True),
        sa.Column("date_begins", UtcDateTime, primary_key=True, index=True),
        sa.Column("answers", sa.Integer, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
    )


def claim(connection: sa.Connection, kept_answers: sa.Table, claimed: Claim) -> KeptAnswer | None:
    """Lock the key of `claimed` until the transaction ends, and return the answer that is kept under it, if any.

    Raise `KeyInFlightError` if another transaction has the lock, and `KeyReusedError` if the answer is that of another
    request. SQLite has one writer at a time: there a second request waits for the first one, and then finds its answer.
    """
    if connection.dialect.name == "postgresql":
        name = f"idempotency/{claimed.user_id}/{claimed.key_digest}"
        lock = sa.text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))")
        if not connection.scalar(lock, {"name": name}):
            raise KeyInFlightError
    # A query of its own: one that also took the lock would not see what was committed just before.
    row = connection.execute(sa.select(kept_answers).where(*_of(kept_answers, claimed))).first()
    if row is None:
        return None
    if row.date_created <= now() - KEPT_FOR:  # the worker has not come to delete it
        connection.execute(kept_answers.delete().where(*_of(kept_answers, claimed)))
        return None
    if row.fingerprint != claimed.fingerprint:
        raise KeyReusedError
    return KeptAnswer(row.status, row.headers, row.body)


def keep(connection: sa.Connection, kept: Kept, claimed: Claim, answer: KeptAnswer) -> None:
    """Keep `answer` under the key of `claimed`, which this transaction has locked. It is the last that it does.

    Raise `TooManyKeysError` if that is more than may be kept for the user, by whichever replica.
    """
    if answer.body is not None and len(answer.body) > LARGEST_BODY:
        raise AssertionError("a change is answered with what fits into a row")
    connection.execute(
        kept.answers.insert().values(
            user_id=claimed.user_id,
            key_digest=claimed.key_digest,
            fingerprint=claimed.fingerprint,
            status=answer.status,
            headers=dict(answer.headers),
            body=answer.body,
            date_created=now(),
        )
    )
    # Last: others of this user wait here until the transaction ends, and who waits for nothing more blocks nobody.
    _count(connection, kept, claimed.user_id, len(answer.body or b"") + len(json.dumps(dict(answer.headers))))


def _count(connection: sa.Connection, kept: Kept, user_id: str, size: int) -> None:
    moment, hours = now(), kept.hours.c
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    begins = moment.replace(minute=0, second=0, microsecond=0)
    added = insert(kept.hours).values(user_id=user_id, date_begins=begins, answers=1, bytes=size)
    more = {"answers": hours.answers + 1, "bytes": hours.bytes + size}
    connection.execute(added.on_conflict_do_update(index_elements=[hours.user_id, hours.date_begins], set_=more))
    counted = sa.select(sa.func.sum(hours.answers), sa.func.sum(hours.bytes), sa.func.min(hours.date_begins))
    of_user = hours.user_id == user_id, hours.date_begins > _forgotten_until(moment)
    answers, size_of_all, first = connection.execute(counted.where(*of_user)).one()
    if (kept.most and answers > kept.most) or (kept.most_bytes and size_of_all > kept.most_bytes):
        raise TooManyKeysError(math.ceil((first - _forgotten_until(moment)).total_seconds()))


def _forgotten_until(moment: datetime) -> datetime:
    """Return when the last hour began all of whose answers are forgotten at `moment`."""
    return moment - KEPT_FOR - _HOUR


def forget_old(
    engine: sa.Engine, kept_answers: sa.Table, hours: sa.Table, stop: threading.Event, batch: int = SWEEP_BATCH
) -> None:
    """Delete what was kept for `KEPT_FOR`, `batch` rows in a transaction, until that was all or `stop` is set.

    Raise `DependencyDownError` without a database.
    """
    transact(engine, _forget_hours, hours)
    while transact(engine, _forget_old, kept_answers, batch) == batch and not stop.is_set():
        pass


def forget_user(connection: sa.Connection, kept_answers: sa.Table, hours: sa.Table, user_id: str, limit: int) -> int:
    """Delete up to `limit` answers that are kept for a user, and the counts of them; return how many answers."""
    connection.execute(hours.delete().where(hours.c.user_id == user_id))
    return _delete(connection, kept_answers, kept_answers.c.user_id == user_id, limit)


def _forget_hours(connection: sa.Connection, hours: sa.Table) -> None:
    connection.execute(hours.delete().where(hours.c.date_begins <= _forgotten_until(now())))


def _forget_old(connection: sa.Connection, kept_answers: sa.Table, limit: int) -> int:
    return _delete(connection, kept_answers, kept_answers.c.date_created <= now() - KEPT_FOR, limit)


def _delete(connection: sa.Connection, kept_answers: sa.Table, which: sa.ColumnElement[bool], limit: int) -> int:
    key = (kept_answers.c.user_id, kept_answers.c.key_digest)
    chosen = sa.select(*key).where(which).limit(limit)
    return connection.execute(kept_answers.delete().where(sa.tuple_(*key).in_(chosen))).rowcount


def _of(kept_answers: sa.Table, claimed: Claim) -> tuple[sa.ColumnElement[bool], ...]:
    return kept_answers.c.user_id == claimed.user_id, kept_answers.c.key_digest == claimed.key_digest
