"""The database of a service: use cases in short transactions, the same code on PostgreSQL and SQLite."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, Generic, ParamSpec, TypeVar

import sqlalchemy as sa
import structlog

from chassis import health
from chassis.database.engines import SharedSessionsError
from chassis.database.schema import schema_is_current
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
    """The database of a service. Use cases run in transactions, on what `make_store` makes of a connection."""

    engine: sa.Engine
    make_store: Callable[[sa.Connection], Store]
    migrations: Path

    def read(
        self,
        use_case: Callable[Concatenate[Store, Arguments], Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Run `use_case` in a transaction that only reads. Raise `DependencyDownError` without a database."""
        return attempt(self.engine, lambda connection: use_case(self.make_store(connection), *args, **kwargs))

    def transact(
        self,
        use_case: Callable[Concatenate[Store, Arguments], Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Run `use_case` in one transaction, committed when it returns, rolled back when it raises.

        After a deadlock or a serialization failure it runs again as a whole, so it must not do anything that a rollback
        cannot undo. Raise `DependencyDownError` if the database does not answer.
        """
        return attempt(
            self.engine, lambda connection: use_case(self.make_store(connection), *args, **kwargs), writes=True
        )

    def migrate(self) -> str | None:
        """Bring the schema to the newest revision. If a later release has migrated it already, return its revision.

        Raise `DependencyDownError` if the database does not answer.
        """
        from chassis.database.migrating import migrate  # noqa: PLC0415 - with Alembic, 6 MB for those who do not migrate

        return migrate(self.engine, self.migrations)

    def try_connection(self) -> None:
        """Connect once, so that a problem is logged at start. Raise `SharedSessionsError` on a pooler.

        A database that is away or refuses is one line in the log, and not an error: it comes back, or somebody repairs
        it, and then no process has to be restarted. The connections are closed again, since the web processes, which
        are forked from this one, must not share them.
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
        """Wait until the schema is one that this code works with, or `stop` is set. Raise `SharedSessionsError`.

        If a worker began before the migration, each message would fail, and end as a dead letter.
        """
        while not stop.is_set():
            try:
                if self._schema_fits():
                    return
            except SharedSessionsError:
                raise
            except DependencyDownError:  # attempt has logged it
                pass
            stop.wait(SCHEMA_POLL_S)

    def checks(self) -> tuple[Checks, Checks]:
        """Return the health checks of the database: those of this process, and those of what all replicas share."""
        return (
            # Once is enough: a schema only grows. A check that failed while the database is away would end readiness.
            {"schema": health.once(self._schema_fits)},
            {"database": lambda: attempt(self.engine, lambda connection: connection.scalar(sa.select(1))) == 1},
        )

    def _schema_fits(self) -> bool:
        """Return whether this code works with the schema; if not, the log says what the process waits for."""
        fits = schema_is_current(self.engine, self.migrations)
        if not fits:
            log.warning("waiting for the schema")
        return fits
