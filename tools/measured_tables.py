"""Write tables into the documents from what was measured. With `--check`, only check them.

docs/operations.md has the figures of `make upgrade-trial` and `make ha-faults`, docs/performance.md those of
`make bench-migrations` and `make bench-replicas`.
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


def faults() -> str:
    """Return the table of what happened as brokers and databases were lost."""
    columns = {
        "operations": "Requests",
        "uploads": "Files uploaded",
        "failed": "Failed",
        "failing_s": "From the first failure to the last, s",
        "lost": "Answered and lost",
        "duplicated": "Done twice",
        "heal_s": "Until nothing waited any more, s",
    }
    rows = json.loads((ROOT / "tests" / "faults" / "ha" / "report.json").read_text())
    named = [(row["fault"].replace("-", " "), *(row[column] for column in columns)) for row in rows]
    return table(("Fault", *columns.values()), named)


def replicas() -> str:
    """Return the table of what operations take with several replicas."""
    found = json.loads((ROOT / "benchmarks" / "results" / "replicas.json").read_text())
    heads = ("CPU in milliseconds for one", "replicas", "a second", *found[0]["cost"]["cpu_ms"])
    rows = [(row["cost"]["operation"], row["replicas"], row["rate"], *row["cost"]["cpu_ms"].values()) for row in found]
    return table(heads, rows)


def wait(milliseconds: float) -> str:
    """Return a wait for a lock in words: PostgreSQL tells of none that is shorter than 10 ms."""
    return f"{milliseconds:.0f} ms" if milliseconds else "below 10 ms"


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    lines = (heads, ["---"] * len(heads), *rows)
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


# By their marks: the document, and what makes the table.
TABLES: Mapping[str, tuple[str, Callable[[], str]]] = {
    "upgrades": ("docs/operations.md", trials),
    "ha-faults": ("docs/operations.md", faults),
    "migrations": ("docs/performance.md", migrations),
    "replicas": ("docs/performance.md", replicas),
}


def main() -> None:
    """Update the documents; with `--check`, exit with code 1 if one is out of date."""
    for mark, (name, make) in TABLES.items():
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
