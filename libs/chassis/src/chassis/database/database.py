"""The database: short transactions, the same code on PostgreSQL and SQLite."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, Generic, ParamSpec, TypeVar

import sqlalchemy as sa
import structlog

from chassis import health
from chassis.database.engines import SharedSessionsError
from chassis.database.schema import migrate, schema_is_current
from chassis.database.transactions import attempt
from chassis.errors import DependencyDownError
from chassis.health import Checks

log = structlog.get_logger(__name__)

SCHEMA_POLL_S = 1.0

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Store = TypeVar("Store")


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
