"""Tests that make alerts fire: run by `make alerts` only, since they take minutes. A table is printed at the end."""

import json
import os
from pathlib import Path

import pytest

collect_ignore_glob = [] if "ALERTS" in os.environ else ["test_*.py"]
FILE = Path(__file__).with_name("report.json")
ROWS = pytest.StashKey[list[dict[str, str | float]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []


@pytest.fixture
def rows(pytestconfig: pytest.Config) -> list[dict[str, str | float]]:
    """The rows of the table, to which tests add."""
    return pytestconfig.stash[ROWS]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    found = config.stash[ROWS]
    if found:
        terminalreporter.section("alerts: by which fault, after how many seconds with windows twelve times shorter")
        for row in found:
            terminalreporter.line(f"{row['alert']:<22}{row['fault']:<24}{row['seconds']:>6}")
        lines = ",\n".join(f"  {json.dumps(row)}" for row in found)
        FILE.write_text(f"[\n{lines}\n]\n")
