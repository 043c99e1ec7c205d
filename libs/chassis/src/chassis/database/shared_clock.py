"""The database's clock, which all replicas share: their own may differ by more than a lease or a delay lasts."""

from datetime import datetime

import sqlalchemy as sa

from chassis.clock import now


def shared_now(connection: sa.Connection) -> datetime:
    """Return the time by the database's clock; for SQLite that is this machine's, where all its users run."""
    if connection.dialect.name != "postgresql":
        return now()
    moment: datetime = connection.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
    return moment
