"""Migrations lead to the tables that the code uses, on both databases."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData

import catalog.bootstrap
import catalog.settings
from auth.adapters.tables import METADATA as AUTH
from catalog.adapters.tables import METADATA as CATALOG
from chassis.database.database import Database
from chassis.database.schema import schema_is_current


def differences(database: Database[Any], metadata: MetaData) -> list[Any]:
    with database.engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))


def test_migrations_of_auth_lead_to_the_tables_of_the_code(auth_database: Database[Any]) -> None:
    assert differences(auth_database, AUTH) == []


def test_migrations_of_catalog_lead_to_the_tables_of_the_code(catalog_database: Database[Any]) -> None:
    assert differences(catalog_database, CATALOG) == []


def test_migrating_again_changes_nothing(catalog_database: Database[Any]) -> None:
    catalog_database.migrate()
    assert schema_is_current(catalog_database.engine, catalog_database.migrations)


def test_schema_of_a_later_release_is_good_enough(catalog_database: Database[Any]) -> None:
    with catalog_database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    assert schema_is_current(catalog_database.engine, catalog_database.migrations)


def test_empty_database_is_not_ready(any_database_url: str) -> None:
    from auth.bootstrap import make_database  # noqa: PLC0415
    from auth.settings import DatabaseSettings  # noqa: PLC0415

    database = make_database(DatabaseSettings(database_url=any_database_url))
    assert not schema_is_current(database.engine, database.migrations)
    database.engine.dispose()


def test_worker_waits_for_the_migration(any_database_url: str) -> None:
    database = catalog.bootstrap.make_database(catalog.settings.DatabaseSettings(database_url=any_database_url))
    stop = threading.Event()
    waiting = threading.Thread(target=database.wait_for_schema, args=(stop,))
    waiting.start()
    try:
        waiting.join(1.5)
        assert waiting.is_alive()
        database.migrate()
        waiting.join(10)
        assert not waiting.is_alive()
    finally:
        stop.set()
        waiting.join(10)
        database.engine.dispose()


def test_replicas_that_start_together_take_turns(database_url: str) -> None:
    def replica() -> None:
        database = catalog.bootstrap.make_database(catalog.settings.DatabaseSettings(database_url=database_url))
        database.migrate()
        assert schema_is_current(database.engine, database.migrations)
        database.engine.dispose()

    with ThreadPoolExecutor(3) as replicas:
        for started in [replicas.submit(replica) for _ in range(3)]:
            started.result(timeout=60)
