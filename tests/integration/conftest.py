"""What the tests of catalog share: steps, and a look at what its transactions left for imaging."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from catalog.adapters.store import Store
from catalog.adapters.tables import jobs, outbox
from catalog_steps import Steps
from chassis.database import Database
from chassis.envelope import Event

Sent = Callable[[], list[tuple[str, str, int]]]


@pytest.fixture
def steps(catalog_database: Database[Store]) -> Steps:
    """What a user and imaging do."""
    return Steps(catalog_database)


@pytest.fixture
def sent(catalog_database: Database[Store]) -> Sent:
    """Give what was sent to imaging so far, in order: (type, image id, generation)."""

    def read() -> list[tuple[str, str, int]]:
        with catalog_database.engine.connect() as connection:
            bodies = connection.scalars(sa.select(outbox.c.body).order_by(outbox.c.date_created)).all()
        events = [Event.decode(body) for body in bodies]
        return [(event.type, event.data["image_id"], event.data["generation"]) for event in events]

    return read


@pytest.fixture
def open_jobs(catalog_database: Database[Store]) -> Callable[[], int]:
    """Count the jobs that imaging has not answered, or not even got yet."""

    def count() -> int:
        with catalog_database.engine.connect() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(jobs)) or 0

    return count
