"""The database for operators' commands."""

import click

from catalog.adapters.operators_store import OperatorsStore
from catalog.bootstrap import make_database
from catalog.settings import DatabaseSettings
from chassis.database.database import Database


def connect(settings: DatabaseSettings) -> Database[OperatorsStore]:
    """Return the database that `settings` name; its connections are closed when the command ends."""
    database = make_database(settings)
    click.get_current_context().call_on_close(database.engine.dispose)
    return Database(database.engine, OperatorsStore, database.migrations)
