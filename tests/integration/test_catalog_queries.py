"""How many statements a result takes: each is a round trip to the database while the key is locked."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from catalog.adapters.store import Store
from catalog.domain import Processed
from catalog.jobs import results
from catalog.jobs.results import Received
from catalog_steps import Steps, picture
from chassis.database.database import Database

Count = Callable[[Callable[[], object]], int]


@pytest.fixture
def count(catalog_database: Database[Store]) -> Count:
    """A function that counts the statements of a call, except those that begin and end its transaction."""
    statements: list[str] = []

    def note(*arguments: object) -> None:
        statements.append(str(arguments[2]))

    def counted(call: Callable[[], object]) -> int:
        statements.clear()
        sa.event.listen(catalog_database.engine, "before_cursor_execute", note)
        try:
            call()
        finally:
            sa.event.remove(catalog_database.engine, "before_cursor_execute", note)
        return sum(not statement.startswith("BEGIN") for statement in statements)

    return counted


def test_result_is_applied_in_three_statements(steps: Steps, count: Count) -> None:
    """On PostgreSQL: the lock, a query, and all changes together. On SQLite there is no lock, but two changes."""
    image = steps.register()
    assert count(lambda: steps.processed(image)) == 3
    assert steps.image().status == "ready"


def test_results_that_come_together_take_few_statements_more(
    steps: Steps, count: Count, catalog_database: Database[Store]
) -> None:
    """The lock, three queries, an update of the images and a deletion of the jobs, however many they are."""
    answers = [Received(Processed(steps.register(f"{n}.jpg").registration, picture())) for n in range(8)]
    assert count(lambda: catalog_database.transact(results.apply, answers)) <= 6


def test_registration_locks_reads_and_writes_in_one_statement_each(steps: Steps, count: Count) -> None:
    """SQLite has no locks, and the image, its job and the message are a statement each there."""
    for number in range(5):  # each connection asks once in which database it is
        steps.register(f"{number}.jpg")
    assert count(lambda: steps.register("a/c.jpg")) == (3 if is_postgresql(steps) else 4)


def test_result_that_frees_the_next_job_is_applied_in_as_many_statements(steps: Steps, count: Count) -> None:
    """On SQLite the message is a statement of its own."""
    first = steps.register()
    second = steps.reprocess()
    assert count(lambda: steps.processed(first)) == (3 if is_postgresql(steps) else 4)
    assert [job.registration for job in steps.jobs()] == [second.registration]


def test_result_that_comes_twice_changes_nothing_in_two_statements(steps: Steps, count: Count) -> None:
    image = steps.register()
    steps.processed(image)
    assert count(lambda: steps.processed(image)) <= 2


def is_postgresql(steps: Steps) -> bool:
    return steps.database.engine.dialect.name == "postgresql"
