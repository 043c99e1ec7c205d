"""A migrated database for one test, on SQLite and on PostgreSQL: the code has to behave alike on both."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

import auth.bootstrap
import auth.settings
import catalog.bootstrap
import catalog.settings
from auth import use_cases
from auth.adapters.store import Store as AuthStore
from auth.domain import User
from auth.passwords import hash_password
from catalog.adapters.store import Store as CatalogStore
from chassis.database.database import Database

Store = TypeVar("Store")

PASSWORD = "correct horse"


@pytest.fixture(params=["sqlite", "postgresql"])
def any_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database; a test runs once with each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/test.db"
    return str(request.getfixturevalue("database_url"))


def migrated(make: Callable[[], Database[Store]]) -> Iterator[Database[Store]]:
    database = make()
    database.migrate()
    yield database
    database.engine.dispose()


@pytest.fixture
def auth_database(any_database_url: str) -> Iterator[Database[AuthStore]]:
    """A migrated database of auth without rows."""
    settings = auth.settings.DatabaseSettings(database_url=any_database_url)
    yield from migrated(lambda: auth.bootstrap.make_database(settings))


@pytest.fixture
def catalog_database(any_database_url: str) -> Iterator[Database[CatalogStore]]:
    """A migrated database of catalog without images."""
    settings = catalog.settings.DatabaseSettings(database_url=any_database_url)
    yield from migrated(lambda: catalog.bootstrap.make_database(settings))


@pytest.fixture(scope="session")
def hash_of_password() -> str:
    """What is stored of `PASSWORD`: made once, since hashing takes time."""
    return hash_password(PASSWORD)


@pytest.fixture
def anna(auth_database: Database[AuthStore], hash_of_password: str) -> User:
    """A user with `PASSWORD` in the database of auth."""
    return auth_database.transact(use_cases.create_user, "anna", hash_of_password)
