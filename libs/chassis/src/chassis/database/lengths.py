"""Lengths of stored texts, in bytes."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction


class octet_length(GenericFunction[int]):  # noqa: N801 - the name of the SQL function
    """How many bytes of UTF-8 a text has. PostgreSQL knows it without reading a long text."""

    type = sa.Integer()
    inherit_cache = True


@compiles(octet_length, "sqlite")
def _on_sqlite(function: octet_length, compiler: SQLCompiler, **options: Any) -> str:
    # SQLite has a function of that name since 3.43 only.
    return f"length(CAST({compiler.process(function.clauses, **options)} AS BLOB))"
