"""Transactions on PostgreSQL: what a read takes, and connections that are lost before, in and after the work."""

from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy as sa
from psycopg.pq import TransactionStatus

import catalog.bootstrap
import catalog.settings
from catalog.adapters.store import Store
from chassis.database import transactions
from chassis.database.database import Database
from chassis.errors import DependencyDownError


@pytest.fixture
def database(database_url: str) -> Iterator[Database[Store]]:
    """A migrated database of catalog, with an idle connection to it."""
    database = catalog.bootstrap.make_database(catalog.settings.DatabaseSettings(database_url=database_url))
    database.migrate()
    with database.engine.connect():
        pass
    yield database
    database.engine.dispose()


def end_sessions(database_url: str) -> None:
    """End all sessions of the database but this one, as a restart of the server does."""
    with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_read_begins_no_transaction_and_a_write_does(database: Database[Store]) -> None:
    def look(connection: sa.Connection) -> TransactionStatus:
        connection.execute(sa.select(1))
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        return driver.info.transaction_status

    assert transactions.attempt(database.engine, look) is TransactionStatus.IDLE
    assert transactions.attempt(database.engine, look, writes=True) is TransactionStatus.INTRANS
    assert transactions.attempt(database.engine, look) is TransactionStatus.IDLE


@pytest.mark.parametrize("writes", [False, True])
def test_connections_that_ended_while_they_were_idle_are_replaced(
    database: Database[Store], database_url: str, *, writes: bool
) -> None:
    end_sessions(database_url)
    query = sa.text("SELECT 7")
    assert transactions.attempt(database.engine, lambda connection: connection.scalar(query), writes=writes) == 7


@pytest.mark.parametrize("writes", [False, True])
def test_work_whose_connection_is_lost_is_done_once_more_and_not_again(
    database: Database[Store], database_url: str, *, writes: bool
) -> None:
    begun: list[int] = []

    def work(connection: sa.Connection, lost: int) -> None:
        begun.append(1)
        connection.execute(sa.select(1))
        if len(begun) <= lost:
            end_sessions(database_url)
        connection.execute(sa.select(1))

    transactions.attempt(database.engine, lambda connection: work(connection, 1), writes=writes)
    assert len(begun) == 2
    begun.clear()
    with pytest.raises(DependencyDownError):
        transactions.attempt(database.engine, lambda connection: work(connection, 9), writes=writes)
    assert len(begun) == 2
