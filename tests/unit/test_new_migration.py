"""`make migration` writes a file that leads to the tables of the code."""

import runpy
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

import auth.bootstrap
import auth.settings
from auth.adapters.store import Store
from auth.adapters.tables import METADATA
from chassis.database.columns import UtcDateTime
from chassis.database.database import Database

TOOL = runpy.run_path(str(Path(__file__).parents[2] / "tools/migration.py"))


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    return shutil.copytree(auth.bootstrap.MIGRATIONS, tmp_path / "migrations")


@pytest.fixture
def new_table() -> Iterator[str]:
    name = "invitations"
    table = sa.Table(
        name,
        METADATA,
        sa.Column("invitation_id", sa.String(36), primary_key=True),
        sa.Column("date_created", UtcDateTime, nullable=False, index=True),
    )
    yield name
    METADATA.remove(table)


def newest(migrations: Path) -> int:
    """Return the number of the newest migration."""
    return max(int(file.name[:4]) for file in migrations.glob("versions/0*.py"))


def database(folder: Path, name: str) -> Database[Store]:
    url = f"sqlite:///{folder / name}"
    return auth.bootstrap.make_database(auth.settings.DatabaseSettings(database_url=url))


def test_new_migration_has_the_next_number_and_leads_to_the_tables(
    tmp_path: Path, migrations: Path, new_table: str
) -> None:
    number = newest(migrations) + 1
    empty = database(tmp_path, "empty.db")
    file = TOOL["write"](empty, migrations, "users_can_be_invited")
    empty.engine.dispose()
    assert file.name == f"{number:04}_users_can_be_invited.py"
    assert file.read_text().startswith('"""Users can be invited."""\n\nimport sqlalchemy as sa\n')
    migrated = Database(database(tmp_path, "migrated.db").engine, Store, migrations)
    migrated.migrate()
    with migrated.engine.connect() as connection:
        assert sa.inspect(connection).has_table(new_table)
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    migrated.engine.dispose()


def test_new_migration_of_unchanged_tables_is_there_to_be_filled_in(tmp_path: Path, migrations: Path) -> None:
    before = newest(migrations)
    empty = database(tmp_path, "empty.db")
    text = TOOL["write"](empty, migrations, "users_get_a_note").read_text()
    empty.engine.dispose()
    assert f'down_revision = "{before:04}"\n\n\ndef upgrade() -> None:\n    pass\n' in text
