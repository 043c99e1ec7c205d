"""The schema of a service: migrated by Alembic, and compared with the revision that the code was written for."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from chassis.database.engines import options
from chassis.database.transactions import attempt, is_outage, outage

MIGRATION_POLL_S = 0.2


def migrate(engine: sa.Engine, migrations: Path) -> str | None:
    """Bring the schema to the newest revision in `migrations`; processes that migrate at the same time take turns.

    A schema of a later release is left unchanged, since two releases may run side by side, and its revision is
    returned. Raise `DependencyDownError` if the database does not answer.
    """
    try:
        with _turn_to_migrate(engine), engine.connect().execution_options(**options(engine, writes=True)) as connection:
            found = _revision(connection)
            connection.rollback()
            if found is not None and found not in _known(_scripts(migrations)):
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


def schema_is_current(engine: sa.Engine, migrations: Path) -> bool:
    """Return True if the schema is at this code's revision, or at a later one, which only adds to it.

    Raise `DependencyDownError` if the database does not answer.
    """
    scripts = _scripts(migrations)
    found = attempt(engine, _revision)
    return found is not None and (found == scripts.get_current_head() or found not in _known(scripts))


def _revision(connection: sa.Connection) -> str | None:
    """Return the revision of the schema, None before the first migration."""
    # Alembic's MigrationContext would write two lines into the log at every health probe.
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return found


def _config(migrations: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    return config


def _scripts(migrations: Path) -> ScriptDirectory:
    return ScriptDirectory.from_config(_config(migrations))


def _known(scripts: ScriptDirectory) -> set[str]:
    return {script.revision for script in scripts.walk_revisions()}
