"""Engines: how a process connects to its database, and the timeouts of every transaction.

Where each connection has a session of its own, the timeouts are set when the session starts. Behind a pooler that
shares sessions, each transaction may run in another session, so none relies on a prepared statement, setting, LISTEN or
lock of an earlier one.
"""

from functools import partial
from typing import Any, cast

import orjson
import psycopg
import sqlalchemy as sa
import structlog
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect
from sqlalchemy.pool import ConnectionPoolEntry

from chassis.database import metrics
from chassis.database.slow_statements import SlowStatements
from chassis.errors import DependencyDownError
from chassis.settings import DatabaseSettings, variable

log = structlog.get_logger(__name__)

# The last one ends the transaction of a client that hangs or is gone, with the locks that it holds.
LIMITS_MS = {"statement_timeout": 15_000, "lock_timeout": 5_000, "idle_in_transaction_session_timeout": 30_000}
# The driver reads moments in UTC faster than those of other zones, which the server may have.
_OF_SESSION = {"timezone": "UTC"}
# Execution options: of a connection whose transaction writes, and of an engine behind a pooler that shares sessions.
_WRITES, _SHARED = "chassis_writes", "chassis_shared_sessions"
# What poolers that share sessions answer to options for a session: PgBouncer and Odyssey; RDS Proxy.
_REFUSALS_OF_POOLERS = ("unsupported startup parameter", "command-line options")


class SharedSessionsError(DependencyDownError):
    """A pooler between this process and the database shares sessions, and the settings do not say so."""

    def __init__(self, kind: type[DatabaseSettings]) -> None:
        pooler, direct = variable(kind, "database_pooler"), variable(kind, "database_direct_url")
        super().__init__(
            "database",
            "a pooler before it shares sessions, such as PgBouncer in transaction mode; "
            f"set {pooler}=true and, for migrate, {direct}, which bypasses the pooler",
        )


def connect(settings: DatabaseSettings) -> sa.Engine:
    """Return an engine for the database that `settings` name.

    Connecting with it raises `SharedSessionsError` if a pooler is detected that `settings` do not mention.
    """
    url = sa.make_url(settings.database_url.get_secret_value())
    # Parameters of failed statements are hidden in logs: some are hashes of passwords.
    common: dict[str, Any] = {"pool_size": settings.database_pool, "max_overflow": 0, "hide_parameters": True}
    # The standard library takes ten times as long, which pages of a thousand images notice.
    common |= {"pool_timeout": 10, "json_deserializer": orjson.loads}
    engine = _engine(url, common, settings)
    _count_connections(engine, settings.database_pool)
    SlowStatements(engine, settings.slow_statement_s, has_processes=keeps_sessions(engine))
    return engine


def keeps_sessions(engine: sa.Engine | sa.Connection) -> bool:
    """Return True if each connection has a session of its own on a PostgreSQL server, as LISTEN needs."""
    return engine.dialect.name == "postgresql" and not engine.get_execution_options().get(_SHARED)


def _engine(url: sa.URL, common: dict[str, Any], settings: DatabaseSettings) -> sa.Engine:
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, common)
    timeouts = {"connect_timeout": 5, "tcp_user_timeout": 15_000}
    arguments: dict[str, Any] = {name: value for name, value in timeouts.items() if name not in url.query}
    if settings.database_pooler:
        return _shared_sessions(url, common, arguments)
    return _own_sessions(url, common, arguments, type(settings))


def options(engine: sa.Engine, *, writes: bool) -> dict[str, Any]:
    """Return the execution options of a connection of `engine` for one transaction, which `writes` or only reads.

    A session of its own on PostgreSQL reads without a transaction, which takes two messages less. Each statement sees
    what was committed before it began, as in a transaction there (READ COMMITTED).
    """
    if not writes and keeps_sessions(engine):
        return {"isolation_level": "AUTOCOMMIT"}
    return {_WRITES: writes}


def _count_connections(engine: sa.Engine, limit: int) -> None:
    def opened(_connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        metrics.IDLE.inc()
        metrics.CONNECTIONS_LIMIT.set(limit)  # not before: the process that supervises others has no connections

    def closed(_connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        metrics.IDLE.dec()

    def taken(_connection: DBAPIConnection, _entry: ConnectionPoolEntry, _proxy: Any) -> None:
        metrics.USED.inc()
        metrics.IDLE.dec()

    def given_back(_connection: DBAPIConnection | None, _entry: ConnectionPoolEntry) -> None:
        metrics.USED.dec()
        metrics.IDLE.inc()

    sa.event.listen(engine, "connect", opened)
    sa.event.listen(engine, "close", closed)
    sa.event.listen(engine, "checkout", taken)
    sa.event.listen(engine, "checkin", given_back)


def _sqlite(url: sa.URL, common: dict[str, Any]) -> sa.Engine:
    engine = sa.create_engine(url, **common)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver begins too late; _begin_sqlite does it
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "busy_timeout=10000", "synchronous=FULL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    # A transaction that reads first and writes later would fail if another wrote meanwhile. So it locks at the start.
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _shared_sessions(url: sa.URL, common: dict[str, Any], arguments: dict[str, Any]) -> sa.Engine:
    # No prepared statements: the session may have a different one, of another client, under the same name. And no BEGIN
    # by the driver, so that it can be sent in one message with the timeouts.
    arguments = {**arguments, "prepare_threshold": None, "autocommit": True}
    engine = sa.create_engine(url, **common, connect_args=arguments, execution_options={_SHARED: True})
    sa.event.listen(engine, "begin", _begin_in_shared_session)
    return engine


def _begin_in_shared_session(connection: sa.Connection) -> None:
    """Begin a transaction with its timeouts.

    ALTER ROLE would save this statement, but it changes the role for all its users, needs a privilege, and does not
    reach the sessions that the pooler has already opened.
    """
    limits = (f"SET LOCAL {name} = {value_ms}" for name, value_ms in LIMITS_MS.items())
    connection.exec_driver_sql("; ".join(("BEGIN", *limits)))


def _own_sessions(
    url: sa.URL, common: dict[str, Any], arguments: dict[str, Any], kind: type[DatabaseSettings]
) -> sa.Engine:
    options = " ".join(f"-c {name}={value}" for name, value in {**_OF_SESSION, **LIMITS_MS}.items())
    engine = sa.create_engine(url, **common, connect_args={**arguments, "options": options})
    sa.event.listen(engine, "do_connect", partial(_connect_to_own_session, kind))
    return engine


def _connect_to_own_session(
    kind: type[DatabaseSettings],
    dialect: Dialect,
    _entry: ConnectionPoolEntry,
    args: tuple[Any, ...],
    parameters: dict[str, Any],
) -> DBAPIConnection:
    """Connect, and verify that the session has the timeouts. Raise `SharedSessionsError` if not."""
    try:
        opened = dialect.connect(*args, **parameters)
    except psycopg.OperationalError as fault:
        if any(sign in str(fault) for sign in _REFUSALS_OF_POOLERS):
            raise SharedSessionsError(kind) from fault
        raise
    connection = cast("psycopg.Connection", opened)
    try:
        _require_own_session(connection, kind)
    except (psycopg.Error, SharedSessionsError):
        connection.close()
        raise
    return opened


def _require_own_session(connection: psycopg.Connection, kind: type[DatabaseSettings]) -> None:
    connection.autocommit = True
    found = connection.execute("SELECT pg_backend_pid(), setting FROM pg_settings WHERE name = 'statement_timeout'")
    process, limit_ms = found.fetchone() or (0, "")
    connection.autocommit = False
    if limit_ms != str(LIMITS_MS["statement_timeout"]):  # a pooler may be configured to drop the options
        raise SharedSessionsError(kind)
    if process != connection.info.backend_pid:  # a pooler tells its clients an invented one
        log.warning(
            "a pooler stands before the database; unless it keeps sessions, set",
            setting=variable(kind, "database_pooler"),
        )
