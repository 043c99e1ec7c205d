"""The clock that all replicas share: the database's. Their own may be apart, by more than a lease or a delay lasts."""

from datetime import datetime

import sqlalchemy as sa

from chassis.clock import now


def shared_now(connection: sa.Connection) -> datetime:
    """Give the present moment by the database's clock; SQLite has that of this machine, as has whoever shares it."""
    if connection.dialect.name != "postgresql":
        return now()
    moment: datetime = connection.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
    return moment
