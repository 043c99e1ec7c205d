"""What operators did by commands: noted in the transaction of its effect, for a worker to write into the audit log.

A command has no log of its own that anybody keeps: what it prints ends in a terminal.
"""

from datetime import datetime

import sqlalchemy as sa

from chassis import audit
from chassis.audit import Entry
from chassis.database.columns import UtcDateTime
from chassis.database.transactions import attempt, transact

EVERY_S = 1.0
BATCH = 100


def table(metadata: sa.MetaData) -> sa.Table:
    """Return the table of notes, added to `metadata`."""
    return sa.Table(
        "audit_notes",
        metadata,
        sa.Column("entry_id", sa.String(36), primary_key=True),
        sa.Column("entry", sa.Text, nullable=False),
        sa.Column("date_created", UtcDateTime, nullable=False),
    )


def add(connection: sa.Connection, notes: sa.Table, entry: Entry, moment: datetime) -> None:
    """Have the worker write `entry` into the audit log once this transaction, of `moment`, is committed."""
    values = {"entry_id": entry.entry_id, "entry": audit.encode(entry), "date_created": moment}
    connection.execute(notes.insert().values(values))


def are_there(connection: sa.Connection, notes: sa.Table) -> bool:
    """Return whether there is anything to be written into the audit log."""
    return connection.execute(sa.select(notes.c.entry_id).limit(1)).first() is not None


def write(engine: sa.Engine, notes: sa.Table) -> None:
    """Write all notes into the audit log. If the process is killed meanwhile, a line may come twice.

    Raise `DependencyDownError` without a database.
    """
    # Less than a batch: that was all, or another process has the others.
    while _are_there(engine, notes) and transact(engine, _write_batch, notes) == BATCH:
        pass


def _are_there(engine: sa.Engine, notes: sa.Table) -> bool:
    return attempt(engine, lambda connection: are_there(connection, notes))


def _write_batch(connection: sa.Connection, notes: sa.Table) -> int:
    """Write the oldest notes, and delete them; those that another process takes are left. Return how many it were."""
    columns = notes.c.entry_id, notes.c.entry
    oldest = sa.select(*columns).order_by(notes.c.date_created, notes.c.entry_id).limit(BATCH)
    rows = connection.execute(oldest.with_for_update(skip_locked=True)).all()
    connection.execute(notes.delete().where(notes.c.entry_id.in_([row.entry_id for row in rows])))
    for row in rows:
        audit.write(audit.decode(row.entry))
    return len(rows)
