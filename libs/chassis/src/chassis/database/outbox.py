"""The outbox: events are written in the transaction that causes them, and relayed to the broker afterwards.

A row is `due` until the broker has confirmed it, then `published`. A relay keeps no cursor, because rows are not
committed in the order of their ids or times: it would miss those that commit late. It takes rows by a lease, outside of
any transaction; if it dies, the lease runs out and another relay takes them.

An event that many others may be written with at once, and that nobody waits for, is written to be sent `later`: all
others leave before it, however long it has been there.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from chassis.clock import now
from chassis.database import wakeup
from chassis.database.columns import UtcDateTime
from chassis.database.shared_clock import shared_now
from chassis.database.statements import execute_together
from chassis.envelope import Event

CHANNEL = "outbox"
BATCH = 100
SWEEP_BATCH = 1000
LEASE = timedelta(seconds=30)
KEEP_PUBLISHED = timedelta(hours=1)
# Of those that leave first, and of those that leave later.
LANES = (0, 1)

# Written into each statement: a database uses a partial index where it sees that its condition holds.
DUE, PUBLISHED = sa.text("state = 'due'"), sa.text("state = 'published'")


def table(metadata: sa.MetaData) -> sa.Table:
    """Return the table of the outbox, added to `metadata`."""
    return sa.Table(
        "outbox",
        metadata,
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("date_created", UtcDateTime, nullable=False),
        sa.Column("date_leased_until", UtcDateTime),
        sa.Column("date_published", UtcDateTime),
        sa.Column("lane", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Index("outbox_waiting", "lane", "date_created", "id", postgresql_where=DUE, sqlite_where=DUE),
        sa.Index("outbox_sent", "date_published", postgresql_where=PUBLISHED, sqlite_where=PUBLISHED),
    )


def add(connection: sa.Connection, outbox: sa.Table, event: Event) -> None:
    """Write `event` into `outbox` in the transaction of `connection`; it is published only if that commits."""
    execute_together(connection, [(outbox.insert(), [row(event)])], then=wake_relays(connection))


def row(event: Event, *, later: bool = False) -> dict[str, Any]:
    """Return the row of `event`; `wake_relays` is executed in the transaction that writes it."""
    return {
        "id": event.event_id,
        "type": event.type,
        "body": event.encode(),
        "state": "due",
        "date_created": event.time,
        "lane": LANES[later],
    }


def wake_relays(connection: sa.Connection) -> sa.Select[Any] | None:
    """Return the statement that wakes the relays when the transaction of `connection` commits.

    It is None where there is none, and relays may miss it: they find by polling what is due.
    """
    return wakeup.notification(connection, CHANNEL)


def lease(connection: sa.Connection, outbox: sa.Table) -> Sequence[sa.Row[Any]]:
    """Return the id, type and body of up to `BATCH` due rows that no other relay holds, leased for the time `LEASE`.

    Those come first that are not to leave later, and the oldest first.
    """
    moment = shared_now(connection)
    free = sa.or_(outbox.c.date_leased_until.is_(None), outbox.c.date_leased_until < moment)
    columns = (outbox.c.lane, outbox.c.date_created, outbox.c.id)
    first = sa.select(outbox.c.id).where(DUE, free).order_by(*columns).limit(BATCH).with_for_update(skip_locked=True)
    leased = (
        outbox.update()
        .where(outbox.c.id.in_(sa.select(first.cte("first").c.id)))
        .values(date_leased_until=moment + LEASE)
        .returning(*columns, outbox.c.type, outbox.c.body)
    )
    return sorted(connection.execute(leased).all(), key=lambda row: (row.lane, row.date_created, row.id))


def mark_published(connection: sa.Connection, outbox: sa.Table, ids: Sequence[str]) -> None:
    """Mark the rows `ids` as published, which the broker has confirmed."""
    connection.execute(outbox.update().where(outbox.c.id.in_(ids)).values(state="published", date_published=now()))


def release(connection: sa.Connection, outbox: sa.Table, ids: Sequence[str]) -> None:
    """End the lease of the rows `ids`, so that any relay may take them at once."""
    connection.execute(outbox.update().where(outbox.c.id.in_(ids)).values(date_leased_until=None))


def sweep(connection: sa.Connection, outbox: sa.Table) -> int:
    """Delete up to `SWEEP_BATCH` rows published more than `KEEP_PUBLISHED` ago; return how many."""
    old = sa.select(outbox.c.id).where(PUBLISHED, outbox.c.date_published < now() - KEEP_PUBLISHED).limit(SWEEP_BATCH)
    return connection.execute(outbox.delete().where(outbox.c.id.in_(old.scalar_subquery()))).rowcount


def due(connection: sa.Connection, outbox: sa.Table) -> tuple[int, datetime | None]:
    """Return how many rows are due, and when the oldest of them was written, None if there is none."""
    oldest = sa.func.min(outbox.c.date_created, type_=UtcDateTime)
    count, date = connection.execute(sa.select(sa.func.count(), oldest).select_from(outbox).where(DUE)).one()
    return count, date


def oldest_due(connection: sa.Connection, outbox: sa.Table) -> datetime | None:
    """Return when the oldest row was written that is due, None if there is none."""
    query = sa.select(outbox.c.date_created).where(DUE).order_by(outbox.c.lane, outbox.c.date_created).limit(1)
    oldest = (connection.scalar(query.where(outbox.c.lane == lane)) for lane in LANES)
    return min((date for date in oldest if date is not None), default=None)
