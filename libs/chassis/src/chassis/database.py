"""The database: short transactions, the same code on PostgreSQL and SQLite."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Concatenate, Generic, ParamSpec, TypeVar

import sqlalchemy as sa
import structlog
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine.interfaces import Dialect

from chassis import checkpoints, health
from chassis.engines import WRITES, SharedSessionsError
from chassis.errors import DependencyDownError
from chassis.health import Checks

log = structlog.get_logger(__name__)

ATTEMPTS = 5
MIGRATION_POLL_S = 0.2
SCHEMA_POLL_S = 1.0
_SERIALIZATION_FAILURES = {"40001", "40P01"}  # serialization_failure, deadlock_detected
_NOT_MIGRATED = {"3F000", "42P01", "42703"}  # invalid_schema_name, undefined_table, undefined_column
# What no statement of ours is to blame for: read_only_sql_transaction (what was the primary follows another now),
# insufficient_privilege, and tables that are not there yet.
_OF_NO_USE = {"25006", "42501"} | _NOT_MIGRATED

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Store = TypeVar("Store")


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """Moments in UTC with microseconds; PostgreSQL keeps the zone, SQLite gets it back on the way out."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse moments without a zone; hand SQLite a naive one, so that text sorts as time does."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs its zone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give every moment its zone."""
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


def now() -> datetime:
    """Give the present moment in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Database(Generic[Store]):
    """The database of a service: its use cases run in transactions on what MAKE_STORE makes of a connection."""

    engine: sa.Engine
    make_store: Callable[[sa.Connection], Store]
    migrations: Path

    def read(
        self,
        use_case: Callable[Concatenate[Store, Arguments], Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Run USE_CASE in a transaction that only reads; raises DependencyDownError."""
        return attempt(self.engine, lambda connection: use_case(self.make_store(connection), *args, **kwargs))

    def transact(
        self,
        use_case: Callable[Concatenate[Store, Arguments], Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Run USE_CASE in one transaction, committed when it returns, rolled back when it raises.

        After a deadlock or a serialization failure the whole of it runs again, so USE_CASE does nothing that a
        rollback cannot undo. Raises DependencyDownError where the database does not answer.
        """
        return attempt(
            self.engine, lambda connection: use_case(self.make_store(connection), *args, **kwargs), writes=True
        )

    def migrate(self) -> str | None:
        """Bring the schema to the newest revision; give the revision of a later release if that was here before.

        Raises DependencyDownError.
        """
        return migrate(self.engine, self.migrations)

    def look(self) -> None:
        """Connect once, so that what is wrong is said at start; raises SharedSessionsError.

        A database that is away, or refuses, is one line in the log and no reason to end: it comes back, or somebody
        mends it, and every replica would have to be started anew. Its connections are not for a child process.
        """
        try:
            attempt(self.engine, lambda connection: connection.scalar(sa.select(1)))
        except SharedSessionsError:
            raise
        except DependencyDownError:  # attempt has logged it
            return
        finally:
            self.engine.dispose()

    def wait_for_schema(self, stop: threading.Event) -> None:
        """Wait until the schema is one that this code works with, or STOP is set; raises SharedSessionsError.

        A worker that began before the migration would take each message for one that strikes a defect.
        """
        while not stop.is_set():
            try:
                if schema_is_current(self.engine, self.migrations):
                    return
                log.warning("waiting for the schema")
            except SharedSessionsError:
                raise
            except DependencyDownError:  # attempt has logged it
                pass
            stop.wait(SCHEMA_POLL_S)

    def checks(self) -> tuple[Checks, Checks]:
        """Give the checks for health: our own, and of what is shared."""
        return (
            # Once: a schema only ever grows, and while the database is away nothing is known against it.
            {"schema": health.once(lambda: schema_is_current(self.engine, self.migrations))},
            {"database": lambda: attempt(self.engine, lambda connection: connection.scalar(sa.select(1))) == 1},
        )


def transact(
    engine: sa.Engine,
    function: Callable[Concatenate[sa.Connection, Arguments], Result],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Result:
    """Call FUNCTION with a connection in one transaction, as `Database.transact` does with a store."""
    return attempt(engine, lambda connection: function(connection, *args, **kwargs), writes=True)


def attempt(engine: sa.Engine, work: Callable[[sa.Connection], Result], *, writes: bool = False) -> Result:
    """Run WORK in a transaction, again after a deadlock; WRITES takes SQLite's write lock at once."""
    for number in range(1, ATTEMPTS + 1):
        try:
            with engine.connect().execution_options(**{WRITES: writes}) as connection, connection.begin():
                result = work(connection)
        except sa.exc.DBAPIError as fault:
            if getattr(fault.orig, "sqlstate", None) in _SERIALIZATION_FAILURES and number < ATTEMPTS:
                time.sleep(random.uniform(0, 0.02 * 2**number))  # noqa: S311 - spreads contenders
                continue
            if _is_down(fault):
                down = _down(fault)
                log.warning("database does not answer", error=down.reason)
                raise down from fault
            raise
        except SharedSessionsError as fault:
            log.warning("database does not answer", error=fault.reason)
            raise
        except sa.exc.TimeoutError as fault:
            raise DependencyDownError("database", "no connection of this process came free in time") from fault
        if writes:
            checkpoints.reached(checkpoints.COMMITTED)
        return result
    raise AssertionError("unreachable: the last attempt returns or raises")


def _is_down(fault: sa.exc.DBAPIError) -> bool:
    """Tell whether the database, rather than the statement, is to blame: it is away, full, or not what it should be."""
    return (
        isinstance(fault, (sa.exc.OperationalError, sa.exc.InterfaceError))
        or fault.connection_invalidated
        or getattr(fault.orig, "sqlstate", None) in _OF_NO_USE
    )


def _down(fault: sa.exc.DBAPIError, *, migrating: bool = False) -> DependencyDownError:
    """Say in one line what the database, or what is on the way to it, says in several."""
    diagnosis = getattr(fault.orig, "diag", None)
    said = getattr(diagnosis, "message_primary", None) or str(fault.orig)
    state = getattr(fault.orig, "sqlstate", None)
    lacks_tables = state in _NOT_MIGRATED or said.startswith("no such ")  # the latter is SQLite's way to say it
    advice = "; run migrate first" if lacks_tables and not migrating else ""
    return DependencyDownError("database", " ".join(said.split()) + advice)


def violated_constraint(fault: sa.exc.IntegrityError) -> str:
    """Name the constraint or, on SQLite, the `table.column` list whose violation FAULT reports."""
    diagnosis = getattr(fault.orig, "diag", None)
    if diagnosis is not None:
        return str(diagnosis.constraint_name)
    return str(fault.orig).rpartition(": ")[2]


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
        if _is_down(fault):
            raise _down(fault, migrating=True) from fault
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
