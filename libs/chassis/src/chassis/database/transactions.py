"""Short transactions: repeated after a deadlock, and one kind of error for a database that does not answer."""

import random
import time
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
import structlog

from chassis import checkpoints
from chassis.database.engines import WRITES, SharedSessionsError
from chassis.errors import DependencyDownError

log = structlog.get_logger(__name__)

ATTEMPTS = 5
_SERIALIZATION_FAILURES = {"40001", "40P01"}  # serialization_failure, deadlock_detected
_NOT_MIGRATED = {"3F000", "42P01", "42703"}  # invalid_schema_name, undefined_table, undefined_column
# No statement of ours is to blame for: read_only_sql_transaction (this server is now a read-only replica),
# insufficient_privilege, and tables that are not there yet.
_OF_NO_USE = {"25006", "42501"} | _NOT_MIGRATED

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


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
            if is_outage(fault):
                error = outage(fault)
                log.warning("database does not answer", error=error.reason)
                raise error from fault
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


def is_outage(fault: sa.exc.DBAPIError) -> bool:
    """Tell whether the database, rather than the statement, is to blame: it is away, full, or not what it should be."""
    return (
        isinstance(fault, (sa.exc.OperationalError, sa.exc.InterfaceError))
        or fault.connection_invalidated
        or getattr(fault.orig, "sqlstate", None) in _OF_NO_USE
    )


def outage(fault: sa.exc.DBAPIError, *, migrating: bool = False) -> DependencyDownError:
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
