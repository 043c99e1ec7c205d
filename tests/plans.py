"""How PostgreSQL carries out the statements of the code: each is explained, with its parameters, before it runs.

`EXPLAIN (ANALYZE)` carries a statement out too, so this is done in a transaction, or up to a savepoint, that is rolled
back. What it tells are the rows that were read, not those that the planner expected.
"""

import inspect
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.rows import tuple_row

# A page has 1,000 rows, a batch of deletions too.
MOST_ROWS = 5_000
STATEMENTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
# They send what other modules have made.
_MECHANICS = {"chassis.database." + name for name in ("database", "transactions", "statements", "wakeup", "engines")}
Plan = Mapping[str, Any]


@dataclass
class Plans:
    """What was found out of statements, by the names of the functions that sent them, and which functions ran any."""

    grows: frozenset[str]
    faults: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    # Of each statement that a function has sent, the most rows that one node of its plan has read.
    rows: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    ran: set[str] = field(default_factory=set)

    def note(self, functions: list[str], plan: Plan) -> None:
        """Note the plan of a statement that the first of `functions` has sent, which the others have called."""
        self.ran.update(functions)
        self.faults[functions[0]].update(_faults(plan, self.grows))
        self.rows[functions[0]].append(max(_rows(node) for node in _nodes(plan)))


@contextmanager
def explained(engine: sa.Engine, grows: frozenset[str], packages: tuple[str, ...]) -> Iterator[Plans]:
    """Explain each statement that is sent by functions of `packages`; `grows` are the tables that grow."""
    plans = Plans(grows)

    def explain(
        _connection: object, cursor: Any, statement: str, parameters: Any, _context: object, executemany: bool
    ) -> None:
        functions = list(sending_functions(packages))
        if functions and statement.lstrip().startswith(STATEMENTS):
            try:
                plans.note(functions, _plan(cursor.connection, statement, parameters[0] if executemany else parameters))
            except psycopg.Error:  # the statement itself fails in the same way, and the code deals with that
                plans.ran.update(functions)

    sa.event.listen(engine, "before_cursor_execute", explain)
    try:
        yield plans
    finally:
        sa.event.remove(engine, "before_cursor_execute", explain)


def _plan(connection: "psycopg.Connection[Any]", statement: str, parameters: Any) -> Plan:
    query = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}".encode()
    with connection.transaction(force_rollback=True), connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(query, parameters, prepare=False).fetchone()
    assert row is not None
    plan: Plan = row[0][0]["Plan"]
    return plan


def sending_functions(packages: tuple[str, ...]) -> Iterator[str]:
    """Yield the names of the public functions of `packages` that are running, the innermost first."""
    frame = inspect.currentframe()
    while frame is not None and (frame := frame.f_back) is not None:
        module = frame.f_globals.get("__name__", "")
        name = frame.f_code.co_qualname.split(".<locals>")[0]
        if module.startswith(packages) and module not in _MECHANICS and not name.split(".")[-1].startswith(("_", "<")):
            yield f"{module.split('.')[-1]}.{name}"


def _faults(plan: Plan, grows: frozenset[str]) -> Iterator[str]:
    node, table = plan["Node Type"], plan.get("Relation Name", plan.get("Index Name", ""))
    if node == "Seq Scan" and table in grows:
        yield f"reads all of {table}"
    if (rows := _rows(plan)) > MOST_ROWS:
        yield f"{node} {table} of {rows} rows".replace("  ", " ")
    for child in plan.get("Plans", ()):
        yield from _faults(child, grows)


def _nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _rows(plan: Plan) -> int:
    """Return how many rows a node has read, those included that it has left out."""
    removed = sum(count for name, count in plan.items() if name.startswith("Rows Removed by"))
    rows: float = (plan["Actual Rows"] + removed) * plan["Actual Loops"]
    return round(rows)
