"""Several changes in as few round trips as there can be."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
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
    Where each of them inserts a row, that statement is kept, and used again for the same statement objects and `then`.
    """
    is_small = len(changes) <= _TOGETHER and all(len(rows) <= 1 for _, rows in changes)
    if changes and is_small and connection.dialect.name == "postgresql":
        inserts = [(statement, rows[0]) for statement, rows in changes if isinstance(statement, sa.Insert) and rows]
        if len(inserts) == len(changes):
            shape = tuple((statement, tuple(row)) for statement, row in inserts)
            numbered = enumerate(row for _, row in inserts)
            values = {f"{name}_{number}": value for number, row in numbered for name, value in row.items()}
            connection.execute(_inserts(shape, then), values)
        else:
            connection.execute(_together([*_with_values(changes)], then))
        return
    for statement, rows in changes:
        connection.execute(statement, rows or None)
    if then is not None:
        connection.execute(then)


@lru_cache(maxsize=64)  # it takes longer to put one together than to send it
def _inserts(shape: tuple[tuple[sa.Insert, tuple[str, ...]], ...], then: sa.Select[Any] | None) -> sa.Executable:
    """Return the statement that does each of `shape`, for columns of these names.

    Its parameters have the name of a column, and the number of the insertion behind it.
    """
    inserts = list[UpdateBase]()
    for number, (statement, names) in enumerate(shape):
        types = {name: statement.table.c[name].type for name in names}
        values = {name: sa.bindparam(f"{name}_{number}", type_=type_) for name, type_ in types.items()}
        inserts.append(statement.values(values))
    return _together(inserts, then)


def _together(statements: Sequence[UpdateBase], then: sa.Select[Any] | None) -> sa.Executable:
    *others, last = statements
    ctes = [statement.cte(f"change_{number}") for number, statement in enumerate(others)]
    return last.add_cte(*ctes) if then is None else then.add_cte(*ctes, last.cte("last_change"))


def _with_values(changes: Sequence[Change]) -> Iterator[UpdateBase]:
    for statement, rows in changes:
        yield statement.values(rows[0]) if rows and isinstance(statement, sa.Insert) else statement
