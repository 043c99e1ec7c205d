"""Migrations: a service's schema is brought to this release by Alembic.

Alembic is imported here alone, and this module by the command that migrates: serving needs nothing of it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from chassis.database import schema
from chassis.database.engines import options
from chassis.database.transactions import is_outage, outage

MIGRATION_POLL_S = 0.2


def migrate(engine: sa.Engine, migrations: Path) -> str | None:
    """Bring the schema to the newest revision in `migrations`; processes that migrate at the same time take turns.

    A schema of a later release is left unchanged, since two releases may run side by side, and its revision is
    returned. Raise `DependencyDownError` if the database does not answer.
    """
    try:
        with _turn_to_migrate(engine), engine.connect().execution_options(**options(engine, writes=True)) as connection:
            found = schema.revision(connection)
            connection.rollback()
            if found is not None and found not in schema.revisions(migrations):
                return found
            _upgrade(connection, migrations)
            return None
    except sa.exc.DBAPIError as fault:
        if is_outage(fault):
            raise outage(fault, migrating=True) from fault
        raise


def _upgrade(connection: sa.Connection, migrations: Path) -> None:
    config = _config(migrations)
    config.attributes["connection"] = connection
    if connection.dialect.name == "postgresql":
        # Alembic begins and ends the transactions, because CREATE INDEX CONCURRENTLY must run outside of one.
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.commit()
        command.upgrade(config, "head")
        connection.invalidate()  # not for others: it has no statement timeout now
    else:
        with connection.begin():
            command.upgrade(config, "head")


@contextmanager
def _turn_to_migrate(engine: sa.Engine) -> Iterator[None]:
    """Hold an advisory lock of PostgreSQL. SQLite needs none: it locks the whole file for writing."""
    if engine.dialect.name != "postgresql":
        yield
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # Polled: CREATE INDEX CONCURRENTLY waits for all running statements, also for one that waits for this lock, and
        # so both would wait without end.
        while not connection.scalar(sa.text("SELECT pg_try_advisory_lock(7318349394477056)")):
            time.sleep(MIGRATION_POLL_S)
        try:
            yield
        finally:
            connection.execute(sa.text("SELECT pg_advisory_unlock(7318349394477056)"))


def _config(migrations: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    return config
