"""Backups of the stack's databases, and how they are restored: by the commands of PostgreSQL, as operators do."""

import json
from typing import Any

from faults.stack import BUCKET, Stack

DATABASES = ("auth", "catalog")
PROCESSES = {"auth": ("auth-worker", "auth"), "catalog": ("catalog-worker", "catalog")}


def _file(database: str) -> str:
    return f"/tmp/{database}.dump"  # noqa: S108 - in the container of PostgreSQL, whose own it is


def dump(stack: Stack, database: str) -> None:
    """Back up a database."""
    stack.execute(
        "postgres", "pg_dump", "--username=postgres", "--format=custom", f"--file={_file(database)}", database
    )


def forget(stack: Stack) -> None:
    """Remove the backups."""
    stack.compose("exec", "-T", "postgres", "rm", "-f", *map(_file, DATABASES))


def restore(stack: Stack, database: str, *, elsewhere: bool) -> None:
    """Restore a backup over the database, or into a new one of the same name, as on another server."""
    for service in PROCESSES[database]:
        stack.end(service)
    if elsewhere:
        stack.execute("postgres", "dropdb", "--username=postgres", "--force", database)
        stack.execute("postgres", "createdb", "--username=postgres", f"--owner={database}", database)
    into = ("--username=postgres", "--exit-on-error", f"--dbname={database}")
    over = () if elsewhere else ("--clean", "--if-exists")
    stack.execute("postgres", "pg_restore", *into, *over, _file(database))
    for service in reversed(PROCESSES[database]):
        stack.start(service)


def reconcile(stack: Stack, *words: str) -> list[dict[str, Any]]:
    """Run `catalog reconcile` on the bucket; return the lines of its report."""
    # Status 1: something was found and not repaired.
    command = " ".join(("catalog reconcile --json --bucket", BUCKET, *words, "|| test $? = 1"))
    said = stack.compose("run", "--rm", "--no-deps", "--entrypoint", "sh", "reconcile", "-c", command)
    return [json.loads(line) for line in said.splitlines() if line.startswith("{")]
