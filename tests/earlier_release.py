"""Databases as an earlier release has made them, and rows as it has written them."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from catalog.adapters.store import Store
from chassis.database.database import Database


def at_release(database: Database[Store], last: str, folder: Path) -> Database[Store]:
    """Return the database with the migrations up to the one numbered `last`, which are copied to `folder`."""
    shutil.copytree(
        database.migrations, folder, ignore=lambda _, names: {n for n in names if n[0] == "0" and n[:4] > last}
    )
    return replace(database, migrations=folder)


def as_written(connection: sa.Connection, table: sa.Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of `row` for the columns that `table` has in the database of `connection`."""
    there = {column["name"] for column in sa.inspect(connection).get_columns(table.name)}
    return {name: value for name, value in row.items() if name in there}
