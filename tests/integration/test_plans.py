"""No statement of catalog takes longer the more there is: each is explained on a PostgreSQL with many rows."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import catalog.bootstrap
import catalog.settings
from catalog.adapters.operators_store import OperatorsStore
from catalog.adapters.tables import METADATA
from chassis.database import audit_notes as chassis_audit_notes
from chassis.database import kept_answers as chassis_kept_answers
from chassis.database import outbox as chassis_outbox
from chassis.database.database import Database
from containers import empty_database
from filled_catalog import fill
from plan_steps import MAY_GROW, ONCE, REPEATED
from plans import Plans, explained

# Tables with few rows, however long an installation runs.
SMALL = {"audit_notes", "installation", "reprocess_runs"}
GROWS = frozenset(set(METADATA.tables) - SMALL)


@pytest.fixture(scope="module")
def filled(postgres_url: str) -> Iterator[Database[OperatorsStore]]:
    """A catalog with many rows."""
    with empty_database(postgres_url) as url:
        database = catalog.bootstrap.make_database(catalog.settings.DatabaseSettings(database_url=url))
        database.migrate()
        fill(database.engine)
        # As if there were a hundred times as many: so few rows, PostgreSQL rather reads them all.
        with database.engine.begin() as connection:
            connection.exec_driver_sql(f"ALTER DATABASE {database.engine.url.database} SET enable_seqscan = off")
        database.engine.dispose()
        yield Database(database.engine, OperatorsStore, database.migrations)
        database.engine.dispose()


@pytest.fixture(scope="module")
def plans(filled: Database[OperatorsStore]) -> Plans:
    """The plans of all statements that users, imaging, the loops of the worker and operators cause."""
    with explained(filled.engine, GROWS, ("catalog.", "chassis.database.")) as found:
        for steps in (*REPEATED, *ONCE):
            steps(filled)
    return found


def test_no_statement_takes_longer_the_more_there_is(plans: Plans) -> None:
    growing = {name: faults for name, faults in plans.faults.items() if faults and name not in MAY_GROW}
    assert not growing, "\n".join(f"{name}: {', '.join(sorted(faults))}" for name, faults in growing.items())


def test_no_statement_is_allowed_to_grow_that_does_not(plans: Plans) -> None:
    assert {name for name in MAY_GROW if not plans.faults.get(name)} == set()


def test_every_query_of_catalog_was_explained(plans: Plans) -> None:
    kinds = [(f"{kind.__module__.split('.')[-1]}.{kind.__qualname__}", kind) for kind in inspect.getmro(OperatorsStore)]
    modules = (("outbox", chassis_outbox), ("kept_answers", chassis_kept_answers), ("audit_notes", chassis_audit_notes))
    queries = {f"{name}.{method}" for name, kind in kinds for method in _functions(vars(kind))}
    queries |= {f"{name}.{query}" for name, module in modules for query in _functions(vars(module), module.__name__)}
    assert queries - plans.ran == WITHOUT_STATEMENTS


# They make a table or a statement, and send none.
WITHOUT_STATEMENTS = {
    *(
        "audit_notes.table",
        "outbox.table",
        "outbox.row",
        "outbox.wake_relays",
        "kept_answers.table",
        "kept_answers.hours_table",
    ),
}


def _functions(members: Mapping[str, Any], module: str | None = None) -> set[str]:
    found = {name: each for name, each in members.items() if inspect.isfunction(each) and not name.startswith("_")}
    return {name for name, each in found.items() if module in {None, each.__module__}}
