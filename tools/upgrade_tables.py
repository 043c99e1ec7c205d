"""Write the tables of upgrades in the documents from what was measured. With `--check`, only check them.

docs/operations.md has the figures of `make upgrade-trial`, docs/performance.md those of `make bench-migrations`.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def trials() -> str:
    """Return the table of the trials."""
    rows = json.loads((ROOT / "tests" / "upgrade" / "report.json").read_text())
    heads = ("From", "To", "Way", "Requests", "Failed", "Images lost", "Longest wait for a lock", "Took")
    return table(
        heads,
        [
            (
                *(f"`{row['previous']}`", f"`{row['this']}`", row["way"], f"{row['requests'] + row['reads']:,}"),
                *(row["failed"], row["lost"], wait(row["longest_lock_wait_ms"]), f"{row['took_s']:.0f} s"),
            )
            for row in rows
        ],
    )


def migrations() -> str:
    """Return the table of the migrations, with what they were measured on."""
    found = json.loads((ROOT / "benchmarks" / "results" / "migrations.json").read_text())
    heads = ("Service", "Migration", "Took", "Statements meanwhile", "Failed", "Longest wait for a lock")
    rows = [
        (
            *(row["service"], f"`{row['migration']}`", f"{row['took_s']:.2f} s", f"{row['statements']:,}"),
            *(row["failed"], wait(row["longest_wait_ms"])),
        )
        for row in found["migrations"]
    ]
    return f"{found['rows']:,} images and as many API keys, load {found['load']}:\n\n{table(heads, rows)}"


def wait(milliseconds: float) -> str:
    """Return a wait for a lock in words: PostgreSQL tells of none that is shorter than 10 ms."""
    return f"{milliseconds:.0f} ms" if milliseconds else "below 10 ms"


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    lines = (heads, ["---"] * len(heads), *rows)
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


TABLES: Mapping[str, tuple[str, Callable[[], str]]] = {
    "docs/operations.md": ("upgrades", trials),
    "docs/performance.md": ("migrations", migrations),
}


def main() -> None:
    """Update the documents; with `--check`, exit with code 1 if one is out of date."""
    for name, (mark, make) in TABLES.items():
        begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
        file = ROOT / name
        text = file.read_text()
        before, rest = text.split(begin)
        fresh = f"{before}{begin}\n\n{make()}\n\n{end}{rest.partition(end)[2]}"
        if fresh == text:
            continue
        if "--check" in sys.argv:
            sys.exit(f"the table of {mark} in {name} is not what was measured: run make format")
        file.write_text(fresh)


if __name__ == "__main__":
    main()
