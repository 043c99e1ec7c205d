"""Write docs/access.md from the matrix that the tests try. With `--check`, only check whether it is up to date."""

import sys
from collections.abc import Mapping
from pathlib import Path

from access_matrix import ACTORS, EXPECTED, OF_CHILD, OF_ITSELF, RELATIVES, SCOPES, Row
from gateway.web.docs import document

FILE = Path(__file__).resolve().parents[1] / "docs" / "access.md"
TEXT = """# Who may do what

The status of every operation for everybody who may call it, on an image, a collection, a key and the user of the
owner. It is generated from [tests/access_matrix.py](../tests/access_matrix.py) by `make format`, and
[tests/integration/test_access.py](../tests/integration/test_access.py) tries each cell of it. An operation of the
[API document](../gateway/src/gateway/openapi.yaml) that is not here fails the tests.

Answers to GET are answers to HEAD, too. 401 comes with `WWW-Authenticate`; 403 says what was missing: a scope
(`insufficient-scope`), the password (`password-required`), that a key does not get the rights of another one
(`rotation-refused`), that a key which was made with another one leaves the others alone (`not-a-descendant`), the
newest secret of a key that was rotated (`secret-replaced`), or that the user is disabled (`user-disabled`). What
belongs to somebody else is 404, as if it did not exist.
"""


def columns() -> list[str]:
    """Return who calls, as the legend of the table."""
    return [f"- **{actor}**: {meaning}" for actor, meaning in ACTORS.items()]


def table(expected: Mapping[str, Row], actors: tuple[str, ...]) -> list[str]:
    """Return the lines of a table in Markdown; an operation with HEAD has no row of its own."""
    lines = [f"| | {' | '.join(actors)} |", f"| --- |{' --- |' * len(actors)}"]
    for template, operations in document()["paths"].items():
        for method, operation in operations.items():
            row = expected.get(operation["operationId"]) if isinstance(operation, dict) else None
            if row is not None and method != "head":
                cells = " | ".join(str(row.status(actor)) for actor in actors)
                lines.append(f"| `{method.upper()} {template}` | {cells} |")
    return lines


CHILDREN = """## A key that was made with another one

A key without a parent manages all keys of its user. One that was made with another key sees all of them, too, but
changes and revokes only itself and what was made with it: whoever was given it can neither revoke the key that it came
from, nor disturb the other programs. What it may do with its relatives, having the scope `keys`:
"""


def relatives() -> list[str]:
    """Return the lines of what a child may do with its relatives."""
    lines = [f"- **{relative}**: {meaning}" for relative, meaning in RELATIVES.items()]
    lines += ["", f"| | {' | '.join(RELATIVES)} |", f"| --- |{' --- |' * len(RELATIVES)}"]
    for template, operations in document()["paths"].items():
        for method, operation in operations.items():
            row = OF_CHILD.get(operation["operationId"]) if isinstance(operation, dict) else None
            if row is not None and method != "head":
                lines.append(f"| `{method.upper()} {template}` | {' | '.join(map(str, row.values()))} |")
    return lines


def main() -> None:
    """Update the file; with `--check`, exit with code 1 if it is out of date."""
    itself = ["## A key of its own", "", "What a key may do with itself, by its only scope:", ""]
    everybody = [*columns(), "", *table(EXPECTED, tuple(ACTORS))]
    fresh = "\n".join([TEXT, *everybody, "", *itself, *table(OF_ITSELF, SCOPES), "", CHILDREN, *relatives()]) + "\n"
    if FILE.exists() and FILE.read_text() == fresh:
        return
    if "--check" in sys.argv:
        sys.exit("docs/access.md is not that of tests/access_matrix.py: run make format")
    FILE.write_text(fresh)


if __name__ == "__main__":
    main()
