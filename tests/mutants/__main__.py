"""Runs the tests with one defect at a time, in a copy of this checkout; every defect must be caught.

First the tests run without any defect: a test that fails anyway catches nothing. `MUTANTS=name,…` selects defects.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mutants.defects import DEFECTS, Defect

ROOT = Path(__file__).parents[2]
REPORT = Path(__file__).with_name("report.json")
SOURCES = ("libs/chassis", "services/auth", "services/catalog", "services/imaging", "gateway", "embedded")
COPIED = (
    "libs", "services", "gateway", "edge", "embedded", "tests", "containers", "tools", "benchmarks", "pyproject.toml",
)  # fmt: skip
PATIENCE_S, PATIENCE_FOR_ALL_S = 600, 3600  # with the tests of one defect, and with all of them
CAUGHT = 1  # pytest: tests were run, and some failed
PASSED = 0


def main() -> int:
    """Run the tests with each defect; print a table, write the report, and return 1 if a defect was not caught."""
    chosen = [name for name in os.environ.get("MUTANTS", "").split(",") if name]
    unknown = set(chosen) - {defect.name for defect in DEFECTS}
    if unknown:
        sys.exit(f"no such defects: {', '.join(sorted(unknown))}")
    defects = [defect for defect in DEFECTS if not chosen or defect.name in chosen]
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder) / "checkout"
        copy_checkout(copy)
        tests = sorted({test for defect in defects for test in defect.caught_by})
        say(f"without a defect: {len(tests)} tests ...")
        status, said = run_tests(copy, tests, PATIENCE_FOR_ALL_S)
        if status != PASSED:
            sys.exit(f"the tests fail without any defect:\n{said}")
        rows = [examine(copy, defect) for defect in defects]
    if not chosen:
        REPORT.write_text(json.dumps(rows, indent=2) + "\n")
    missed = [row["defect"] for row in rows if not row["caught"]]
    say(f"{len(rows) - len(missed)} of {len(rows)} caught" + (f"; not caught: {missed}" if missed else ""))
    return 1 if missed else 0


def examine(copy: Path, defect: Defect) -> dict[str, object]:
    """Put `defect` into the `copy`, run the tests that must catch it, take it out again, and return its row."""
    originals = {edit.file: (copy / edit.file).read_text() for edit in defect.edits}
    began = time.monotonic()
    try:
        for edit in defect.edits:
            path = copy / edit.file
            text = path.read_text()
            if text.count(edit.before) != 1:
                sys.exit(f"{defect.name}: {edit.file} does not have this once:\n{edit.before}")
            path.write_text(text.replace(edit.before, edit.after))
        status, said = run_tests(copy, defect.caught_by)
    finally:
        for file, text in originals.items():
            (copy / file).write_text(text)
    failed = sorted({line.split()[1].partition("[")[0] for line in said.splitlines() if line.startswith("FAILED ")})
    took_s = round(time.monotonic() - began, 1)
    say(
        f"{'caught' if status == CAUGHT else 'MISSED':<7} {took_s:>6} s  {defect.name:<30} {defect.sentence}",
    )
    if status not in {CAUGHT, PASSED}:
        sys.exit(f"{defect.name}: pytest ended with {status}:\n{said}")
    return {
        "defect": defect.name,
        "sentence": defect.sentence,
        "caught": status == CAUGHT,
        "caught_by": failed,
        "seconds": took_s,
    }


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def copy_checkout(copy: Path) -> None:
    """Copy what the tests need into `copy`."""
    copy.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
        else:
            shutil.copy(ROOT / name, copy / name)
    images = ROOT / ".imghost" / "images.env"
    if images.exists():
        (copy / ".imghost").mkdir()
        shutil.copy(images, copy / ".imghost")


def run_tests(copy: Path, tests: tuple[str, ...] | list[str], patience_s: float = PATIENCE_S) -> tuple[int, str]:
    """Run `tests` in the `copy` until one fails; return pytest's status and its output."""
    # First on the path, so that the tests and their child processes import the copy, not the installed packages.
    path = [str(copy / source / "src") for source in SOURCES]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests],
        cwd=copy, env=env, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=patience_s,
    )  # fmt: skip
    return done.returncode, done.stdout[-8000:]


if __name__ == "__main__":
    sys.exit(main())
