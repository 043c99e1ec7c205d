"""The database as the operator's commands use it."""

import click

from catalog.adapters.operators_store import OperatorsStore
from catalog.bootstrap import make_database
from catalog.settings import DatabaseSettings
from chassis.database.database import Database


def connect(settings: DatabaseSettings) -> Database[OperatorsStore]:
    """Connect to the database of SETTINGS until the command ends."""
    database = make_database(settings)
    click.get_current_context().call_on_close(database.engine.dispose)
    return Database(database.engine, OperatorsStore, database.migrations)
