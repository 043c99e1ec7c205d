"""Wake-ups: PostgreSQL's NOTIFY tells a waiting process that there is work. It may be missed, so there is polling too.

Of several processes that wait for the same work one is woken, as all others would find it taken. The others only poll,
and one of them is woken in its place when it is gone.

SQLite has no such thing, and a pooler that shares sessions delivers none: there processes poll more often.
"""

import threading
from functools import cache
from typing import Any, cast

import psycopg
import sqlalchemy as sa
import structlog

from chassis.database.engines import keeps_sessions

log = structlog.get_logger(__name__)


def notification(connection: sa.Connection, channel: str) -> sa.Select[Any] | None:
    """Return the statement that wakes who waits on `channel` once the transaction of `connection` commits.

    It is None where none can wait.
    """
    return _notify(channel) if keeps_sessions(connection) else None


@cache
def _notify(channel: str) -> sa.Select[Any]:
    return sa.select(sa.func.pg_notify(channel, ""))


class Wakeup:
    """Waits for `notification` on `channel`, on a connection of `engine` that it keeps. For one thread.

    Whoever waits first on a channel is woken, until `close` or the end of its connection.
    """

    def __init__(self, engine: sa.Engine, channel: str) -> None:
        self._engine = engine
        self._channel = channel
        self._connection: sa.Connection | None = None

    def wait(self, timeout_s: float, poll_s: float, stop: threading.Event) -> None:
        """Wait until notified, for `timeout_s` at most, or for `poll_s` where there are no notifications.

        `stop` ends the wait early only where none comes.
        """
        if not keeps_sessions(self._engine):
            stop.wait(poll_s)
            return
        try:
            connection = self._listening()
            if connection is None:
                stop.wait(timeout_s)
                return
            for _ in connection.notifies(timeout=timeout_s, stop_after=1):
                pass
        except (sa.exc.SQLAlchemyError, psycopg.Error) as fault:
            log.warning("not listening", channel=self._channel, error=str(fault))
            self.close()
            stop.wait(poll_s)

    def close(self) -> None:
        """Release the connection; a later `wait` would take another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()  # returned to the pool, it would go on listening
            connection.close()

    def _listening(self) -> psycopg.Connection | None:
        """Return the connection that is notified, or None while another process is woken."""
        if self._connection is None:
            self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            # The session holds the lock until it ends, however its process ends.
            lock = sa.text("SELECT pg_try_advisory_lock(hashtextextended(:name, 0))")
            if not self._connection.scalar(lock, {"name": f"wakeup/{self._channel}"}):
                self._connection.close()
                self._connection = None
                return None
            self._connection.exec_driver_sql(f'LISTEN "{self._channel}"')
        return cast("psycopg.Connection", self._connection.connection.driver_connection)
