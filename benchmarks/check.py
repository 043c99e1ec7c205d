"""Whether the chain has become slower: `make bench-check`.

It runs after `make bench`, and compares what that has written with the figures of the last commit. Ratios are compared,
since both sides of a ratio are measured in the same run on the same machine; of the figures without one, none is.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

AGAINST_ORIGIN = "against the origin"
RESULTS = Path(__file__).parent / "results" / "chain.json"
# The rounds of one run differ by as much on a machine that has nothing else to do.
MARGIN = 0.15


def fallen(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[str]:
    """Return a line for each figure whose ratio has fallen by more than `MARGIN`, or that is there no longer."""
    ratios = {figure["name"]: figure["ratio"] for figure in after}
    lines = []
    for figure in before:
        name, was = figure["name"], figure["ratio"]
        if name not in ratios and name.endswith(AGAINST_ORIGIN):
            continue  # it is measured only where it has been put beside
        if name not in ratios:
            lines.append(f"{name}: is measured no longer")
        elif was is not None and (ratios[name] or 0) < (1 - MARGIN) * was:
            lines.append(f"{name}: {was:.3f} before, {ratios[name] or 0:.3f} now")
    return lines


def main() -> None:
    """Compare, and end with 1 if anything has fallen."""
    command = ["git", "show", f"HEAD:benchmarks/results/{RESULTS.name}"]
    said = subprocess.run(command, cwd=RESULTS.parent, check=False, capture_output=True)
    if said.returncode or not RESULTS.exists():
        sys.exit("bench-check: no figures to compare; run `make bench` first, and commit what it writes")
    lines = fallen(json.loads(said.stdout), json.loads(RESULTS.read_bytes()))
    print("\n".join(lines) or "bench-check: no ratio has fallen")  # noqa: T201
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
