"""What the tests on a cluster found: a table at the end of the session, and of all tests also k8s/report.json."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from manifests import K8S

FILE = K8S / "report.json"


@dataclass(frozen=True)
class Row:
    """A check, whether it passed, and what was found, in a sentence."""

    check: str
    result: str
    found: str


def table(rows: Sequence[Row]) -> Sequence[str]:
    """Return the rows as lines of text."""
    width = max(len(row.check) for row in rows)
    return [f"{row.check:<{width}}  {row.result}  {row.found}" for row in rows]


def write(rows: Sequence[Row]) -> None:
    """Write `rows` as the report."""
    FILE.write_text("[\n" + ",\n".join(f"  {json.dumps(asdict(row))}" for row in rows) + "\n]\n")
