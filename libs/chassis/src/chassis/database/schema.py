"""The schema of a service, compared with the one that the code was written for."""

from pathlib import Path

import sqlalchemy as sa

from chassis.database.transactions import attempt


def revisions(migrations: Path) -> list[str]:
    """Return the revisions in the folder `migrations`, the oldest first: the numbers that the files' names begin with.

    Alembic would import all of them to tell the same, at each health check.
    """
    return sorted(path.name.partition("_")[0] for path in (migrations / "versions").glob("[0-9]*_*.py"))


def schema_is_current(engine: sa.Engine, migrations: Path) -> bool:
    """Return True if the schema is at this code's revision, or at a later one, which only adds to it.

    Raise `DependencyDownError` if the database does not answer.
    """
    found = attempt(engine, revision)
    return found is not None and found not in revisions(migrations)[:-1]


def revision(connection: sa.Connection) -> str | None:
    """Return the revision of the schema, None before the first migration."""
    # Alembic's MigrationContext would write two lines into the log at every health probe.
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return found
