"""Short transactions, repeated after a deadlock; any database that does not answer is a `DependencyDownError`."""

import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa
import structlog

from chassis import checkpoints, deadlines
from chassis.database import metrics
from chassis.database.engines import SharedSessionsError, options
from chassis.errors import DependencyDownError, OutcomeUnknownError
from chassis.stages import Stage

log = structlog.get_logger(__name__)

ATTEMPTS = 5
_SERIALIZATION_FAILURES = {"40001", "40P01"}  # serialization_failure, deadlock_detected
_NOT_MIGRATED = {"3F000", "42P01", "42703"}  # invalid_schema_name, undefined_table, undefined_column
# These come from the state of the server, not from a defect in our statements: read_only_sql_transaction (this server
# is now a read-only replica), insufficient_privilege, and tables that are not there yet.
_UNUSABLE = {"25006", "42501"} | _NOT_MIGRATED
# The error of a connection that fails has no SQLSTATE.
_PASSWORD_REFUSED = re.compile(r'password authentication failed for user "(?P<role>[^"]*)"')

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def transact(
    engine: sa.Engine,
    function: Callable[Concatenate[sa.Connection, Arguments], Result],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Result:
    """Call `function` with a connection in one transaction, as `Database.transact` does with a store."""
    return attempt(engine, lambda connection: function(connection, *args, **kwargs), writes=True)


def attempt(engine: sa.Engine, work: Callable[[sa.Connection], Result], *, writes: bool = False) -> Result:
    """Run `work` in a transaction, again after a deadlock, and again on a new connection if the first one was lost.

    What only reads may run without a transaction: `engines.options` says where. With `writes` SQLite takes its write
    lock at the start. Raise `CallerGoneError` instead of committing `writes` for a caller who no longer waits, and
    `OutcomeUnknownError` if the database is lost during the commit.
    """
    name, metric = ("database write", metrics.WRITES) if writes else ("database read", metrics.READS)
    with Stage(name, metric):
        return _attempt(engine, work, writes=writes)


def _attempt(engine: sa.Engine, work: Callable[[sa.Connection], Result], *, writes: bool) -> Result:
    was_lost = False
    for number in range(1, ATTEMPTS + 1):
        commits = False
        try:
            with _connected(engine, writes=writes) as connection, connection.begin():
                result = work(connection)
                if writes:
                    deadlines.require()
                    commits = True
        except sa.exc.DBAPIError as fault:
            if getattr(fault.orig, "sqlstate", None) in _SERIALIZATION_FAILURES and number < ATTEMPTS:
                metrics.CONFLICT.inc()
                time.sleep(random.uniform(0, 0.02 * 2**number))  # noqa: S311 - jitter
                continue
            # Idle connections end when the server restarts. Nothing was committed, and the pool opens new ones.
            if fault.connection_invalidated and not commits and not was_lost and number < ATTEMPTS:
                was_lost = True
                continue
            if is_outage(fault):
                error = outage(fault)
                metrics.OUTAGE.inc()
                log.warning("database does not answer", error=error.reason)
                raise OutcomeUnknownError(error.what, error.reason) if commits else error from fault
            raise
        except SharedSessionsError as fault:
            metrics.OUTAGE.inc()
            log.warning("database does not answer", error=fault.reason)
            raise
        except sa.exc.TimeoutError as fault:
            metrics.POOL.inc()
            raise DependencyDownError("database", "no connection of this process came free in time") from fault
        if writes:
            checkpoints.reached(checkpoints.COMMITTED)
        return result
    raise AssertionError("unreachable: the last attempt returns or raises")


@contextmanager
def _connected(engine: sa.Engine, *, writes: bool) -> Iterator[sa.Connection]:
    with Stage("database connection", metrics.CHECKOUTS):
        connection = engine.connect()
    with connection.execution_options(**options(engine, writes=writes)):
        yield connection


def is_outage(fault: sa.exc.DBAPIError) -> bool:
    """Return True if the database is to blame, not the statement: it is away, full, read-only or not migrated."""
    return (
        isinstance(fault, (sa.exc.OperationalError, sa.exc.InterfaceError))
        or fault.connection_invalidated
        or getattr(fault.orig, "sqlstate", None) in _UNUSABLE
    )


def outage(fault: sa.exc.DBAPIError, *, migrating: bool = False) -> DependencyDownError:
    """Return the error for `fault`, with the message of the database, or of a proxy before it, in one line."""
    diagnosis = getattr(fault.orig, "diag", None)
    said = getattr(diagnosis, "message_primary", None) or str(fault.orig)
    state = getattr(fault.orig, "sqlstate", None)
    lacks_tables = state in _NOT_MIGRATED or said.startswith("no such ")  # the latter is SQLite's message
    advice = "; run migrate first" if lacks_tables and not migrating else ""
    if refused := _PASSWORD_REFUSED.search(said):
        # One sentence: libpq lists every address that it has tried.
        said = f'password authentication failed for user "{refused["role"]}"'
        advice = (
            ": it is wrong, or was changed after the database was made, which keeps the password of its first start "
            f"until an administrator sets another (ALTER ROLE {refused['role']} PASSWORD '…')"
        )
    return DependencyDownError("database", " ".join(said.split()) + advice)


def violated_constraint(fault: sa.exc.IntegrityError) -> str:
    """Return the name of the violated constraint or, on SQLite, the list of its columns as `table.column`."""
    diagnosis = getattr(fault.orig, "diag", None)
    if diagnosis is not None:
        return str(diagnosis.constraint_name)
    return str(fault.orig).rpartition(": ")[2]
