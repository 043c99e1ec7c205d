"""Several statements in one round trip."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.sql.dml import UpdateBase


def execute_together(connection: sa.Connection, statements: Sequence[UpdateBase]) -> None:
    """Execute `statements`, on PostgreSQL as one: the others are common table expressions of the last.

    All of them see the rows as they were before, so no two may change the same row, and their order does not matter.
    """
    if not statements:
        return
    if connection.dialect.name != "postgresql":
        for statement in statements:
            connection.execute(statement)
        return
    *others, last = statements
    ctes = [statement.cte(f"change_{number}") for number, statement in enumerate(others)]
    connection.execute(last.add_cte(*ctes))
