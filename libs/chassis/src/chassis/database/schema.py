"""The schema of a service: brought up to date by Alembic, and compared with what the code was written for."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from chassis.database.engines import WRITES
from chassis.database.transactions import attempt, is_outage, outage

MIGRATION_POLL_S = 0.2


def migrate(engine: sa.Engine, migrations: Path) -> str | None:
    """Bring the schema to the newest revision in MIGRATIONS; replicas that start together take turns.

    A schema of a later release is left as it is, since releases run side by side; its revision is returned. Raises
    DependencyDownError.
    """
    try:
        with _turn_to_migrate(engine), engine.connect().execution_options(**{WRITES: True}) as connection:
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
        # Alembic begins and ends the transactions: an index is built CONCURRENTLY in none.
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.commit()
        command.upgrade(config, "head")
        connection.invalidate()  # its timeout is off
    else:
        with connection.begin():
            command.upgrade(config, "head")


@contextmanager
def _turn_to_migrate(engine: sa.Engine) -> Iterator[None]:
    """Hold the lock of migrations; SQLite's own write lock does as well."""
    if engine.dialect.name != "postgresql":
        yield
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # Asked for again and again: a statement that waits for it would hold up CREATE INDEX CONCURRENTLY, for ever.
        while not connection.scalar(sa.text("SELECT pg_try_advisory_lock(7318349394477056)")):
            time.sleep(MIGRATION_POLL_S)
        try:
            yield
        finally:
            connection.execute(sa.text("SELECT pg_advisory_unlock(7318349394477056)"))


def schema_is_current(engine: sa.Engine, migrations: Path) -> bool:
    """Tell whether the schema is the one this code was written for, or a later one, which has only added to it.

    Raises DependencyDownError.
    """
    scripts = _scripts(migrations)
    found = attempt(engine, _revision)
    return found is not None and (found == scripts.get_current_head() or found not in _known(scripts))


def _revision(connection: sa.Connection) -> str | None:
    """Give the revision that the schema is at, None if there is none yet."""
    # Not through Alembic's MigrationContext: that one writes two lines into the log at every probe.
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
