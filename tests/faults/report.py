"""The figures of the fault tests: a table at the end of the session, and the same in report.json."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import ClassVar


@dataclass(frozen=True)
class Row:
    """The figures of one fault; `heal_s` are the seconds from its end until nothing was left to do.

    `file` is where the figures of such faults are kept.
    """

    file: ClassVar[Path] = Path(__file__).with_name("report.json")

    fault: str
    seed: int
    operations: int
    acknowledged: int
    lost: int
    duplicated: int
    heal_s: float


def table(rows: Sequence[Row]) -> Sequence[str]:
    """Return the rows, which are of one type, as lines of text below the names of their figures."""
    cells = [[spec.name for spec in fields(rows[0])], *([str(value) for value in astuple(row)] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    aligned = (str.ljust, *(str.rjust for _ in widths[1:]))
    return [
        "  ".join(align(cell, width) for align, cell, width in zip(aligned, line, widths, strict=True))
        for line in cells
    ]


def keep(rows: Sequence[Row], file: Path) -> None:
    """Write `rows` into `file`; a row replaces an older one of the same fault."""
    written: list[Mapping[str, object]] = json.loads(file.read_text()) if file.exists() else []
    merged = {str(row["fault"]): row for row in written} | {row.fault: asdict(row) for row in rows}
    lines = ",\n".join(f"  {json.dumps(merged[fault])}" for fault in sorted(merged))
    file.write_text(f"[\n{lines}\n]\n")
