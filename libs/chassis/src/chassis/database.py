"""The database: one engine a process, short transactions, the same code on PostgreSQL and SQLite."""

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
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect
from sqlalchemy.pool import ConnectionPoolEntry

from chassis import checkpoints, health
from chassis.errors import DependencyDownError
from chassis.health import Checks

log = structlog.get_logger(__name__)

ATTEMPTS = 5
MIGRATION_POLL_S = 0.2
SCHEMA_POLL_S = 1.0
_SERIALIZATION_FAILURES = {"40001", "40P01"}  # serialization_failure, deadlock_detected
_READ_ONLY = "25006"  # read_only_sql_transaction: what was the primary follows another now
_WRITES = "chassis_writes"

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


def connect(url: str, pool_size: int) -> sa.Engine:
    """Make the engine of this process for URL, with at most POOL_SIZE connections."""
    if url.startswith("sqlite"):
        engine = sa.create_engine(url, pool_size=pool_size, max_overflow=0, pool_timeout=10, hide_parameters=True)
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine
    return sa.create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        pool_pre_ping=True,
        hide_parameters=True,  # of failed statements, in logs: some are hashes of passwords
        connect_args={
            "connect_timeout": 5,
            "options": "-c statement_timeout=15000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=30000",
            "tcp_user_timeout": 15000,
        },
    )


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late; _begin_sqlite does it
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "busy_timeout=10000", "synchronous=FULL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    # A transaction that reads first and writes later fails at once when another wrote meanwhile: take the lock first.
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


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

    def migrate(self) -> None:
        """Bring the schema to the newest revision."""
        migrate(self.engine, self.migrations)

    def wait_for_schema(self, stop: threading.Event) -> None:
        """Wait until the schema is one that this code works with, or STOP is set.

        A worker that began before the migration would take each message for one that strikes a defect.
        """
        own, _ = self.checks()
        while not health.examine(own, {})[0]:
            log.warning("waiting for the schema")
            if stop.wait(SCHEMA_POLL_S):
                return

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
            with engine.connect().execution_options(**{_WRITES: writes}) as connection, connection.begin():
                result = work(connection)
        except sa.exc.DBAPIError as fault:
            if getattr(fault.orig, "sqlstate", None) in _SERIALIZATION_FAILURES and number < ATTEMPTS:
                time.sleep(random.uniform(0, 0.02 * 2**number))  # noqa: S311 - spreads contenders
                continue
            if _is_down(fault):
                log.warning("database does not answer", error=str(fault.orig))
                raise DependencyDownError("database") from fault
            raise
        except sa.exc.TimeoutError as fault:  # no connection of the pool came free
            raise DependencyDownError("database") from fault
        if writes:
            checkpoints.reached(checkpoints.COMMITTED)
        return result
    raise AssertionError("unreachable: the last attempt returns or raises")


def _is_down(fault: sa.exc.DBAPIError) -> bool:
    """Tell whether the database, rather than the statement, is to blame: it is away, full, or a replica by now."""
    return (
        isinstance(fault, (sa.exc.OperationalError, sa.exc.InterfaceError))
        or fault.connection_invalidated
        or getattr(fault.orig, "sqlstate", None) == _READ_ONLY
    )


def violated_constraint(fault: sa.exc.IntegrityError) -> str:
    """Name the constraint or, on SQLite, the `table.column` list whose violation FAULT reports."""
    diagnosis = getattr(fault.orig, "diag", None)
    if diagnosis is not None:
        return str(diagnosis.constraint_name)
    return str(fault.orig).rpartition(": ")[2]


def migrate(engine: sa.Engine, migrations: Path) -> None:
    """Bring the schema to the newest revision in MIGRATIONS; replicas that start together take turns."""
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    with _turn_to_migrate(engine), engine.connect().execution_options(**{_WRITES: True}) as connection:
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
    """Tell whether the schema is the one this code was written for, or a later one, which has only added to it."""
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    with engine.connect() as connection:
        # Not through Alembic's MigrationContext: that one writes two lines into the log at every probe.
        migrated = sa.inspect(connection).has_table("alembic_version")
        found = connection.scalar(sa.text("SELECT version_num FROM alembic_version")) if migrated else None
    known = {script.revision for script in scripts.walk_revisions()}
    return found is not None and (found == scripts.get_current_head() or found not in known)
