"""Write the table of faults in docs/operations.md from the last figures of `make ha-faults`.

With `--check`, only check whether it is up to date.
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "operations.md"
REPORT = ROOT / "tests" / "faults" / "ha" / "report.json"
BEGIN, END = "<!-- ha-faults: begin -->", "<!-- ha-faults: end -->"
COLUMNS = {
    "operations": "Requests",
    "uploads": "Files uploaded",
    "failed": "Failed",
    "failing_s": "From the first failure to the last, s",
    "lost": "Answered and lost",
    "duplicated": "Done twice",
    "heal_s": "Until nothing waited any more, s",
}


def table() -> str:
    """Return the table as Markdown."""
    lines = [f"| Fault | {' | '.join(COLUMNS.values())} |", f"| --- |{' ---: |' * len(COLUMNS)}"]
    for row in json.loads(REPORT.read_text()):
        name = row["fault"].replace("-", " ")
        lines.append(f"| {name} | {' | '.join(str(row[column]) for column in COLUMNS)} |")
    return "\n".join(lines)


def main() -> None:
    """Update the document; with `--check`, exit with code 1 if it is out of date."""
    text = DOCUMENT.read_text()
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    fresh = pattern.sub(lambda _: f"{BEGIN}\n\n{table()}\n\n{END}", text)
    if fresh == text:
        return
    if "--check" in sys.argv:
        sys.exit("the table of faults in docs/operations.md is not that of the last figures: run make format")
    DOCUMENT.write_text(fresh)


if __name__ == "__main__":
    main()
