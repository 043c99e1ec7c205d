"""Several changes in as few round trips as there can be."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.dml import UpdateBase

# A statement, and the rows that it inserts or the values that it takes for each; none if it has its values already.
Change = tuple[UpdateBase, Sequence[Mapping[str, Any]]]

# Up to so many changes are one statement: its text is put together for each number of them.
_TOGETHER = 8


def execute_together(
    connection: sa.Connection, changes: Sequence[Change], *, then: sa.Select[Any] | None = None
) -> None:
    """Execute `changes`, of which no two may change the same row, so that their order does not matter; `then` another.

    On PostgreSQL a few changes of single rows are one statement: the others are common table expressions of the last.
    """
    is_small = len(changes) <= _TOGETHER and all(len(rows) <= 1 for _, rows in changes)
    if changes and is_small and connection.dialect.name == "postgresql":
        *others, last = _with_values(changes)
        ctes = [statement.cte(f"change_{number}") for number, statement in enumerate(others)]
        if then is None:
            connection.execute(last.add_cte(*ctes))
        else:
            connection.execute(then.add_cte(*ctes, last.cte("last_change")))
        return
    for statement, rows in changes:
        connection.execute(statement, rows or None)
    if then is not None:
        connection.execute(then)


def _with_values(changes: Sequence[Change]) -> Iterator[UpdateBase]:
    for statement, rows in changes:
        yield statement.values(rows[0]) if rows and isinstance(statement, sa.Insert) else statement
