"""The stack that all fault tests of a session share, the selection of faults and seed, and the table at the end.

Without FAULTS only the tests marked `short` run, which are part of `make test`; FAULTS=all runs all of them, and
FAULTS=name,… those named. SEED replays a run.
"""

import os
import secrets
from collections.abc import Iterator

import pytest

from faults import report
from faults.report import Row
from faults.stack import HOME, Stack
from faults.trial import Trial

ROWS = pytest.StashKey[list[Row]]()


def fault_name(item: pytest.Item) -> str:
    """Return the name of the fault of a test: `test_kills.py::test_killed[postgres]` is `killed-postgres`."""
    name = item.name.removeprefix("test_").replace("[", "-").removesuffix("]")
    return name.replace("_", "-")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = os.environ.get("FAULTS", "")
    ours = [item for item in items if "trial" in getattr(item, "fixturenames", ())]
    if unknown := {*chosen.split(",")} - {"", "all"} - {fault_name(item) for item in ours}:
        raise pytest.UsageError(f"no such faults: {', '.join(sorted(unknown))}")

    def is_chosen(item: pytest.Item) -> bool:
        if not chosen:
            return item.get_closest_marker("short") is not None
        return chosen == "all" or fault_name(item) in chosen.split(",")

    left_out = [item for item in ours if not is_chosen(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


@pytest.fixture(scope="session")
def fault_stack(engine: None) -> Iterator[Stack]:  # noqa: ARG001
    """The stack of the fault tests; the first of them starts it."""
    stack = Stack()
    yield stack
    stack.down()


@pytest.fixture
def kind_of_trial() -> type[Trial]:
    """The class of the trials."""
    return Trial


@pytest.fixture
def trial(fault_stack: Stack, kind_of_trial: type[Trial], request: pytest.FixtureRequest) -> Iterator[Trial]:
    """A trial on a stack that works and has nothing left to do, with a seed.

    After a failed test the containers' logs and the ledger are in .imghost/faults, and the next test gets a new stack.
    """
    seed = int(os.environ.get("SEED") or secrets.randbelow(10**9))
    name = fault_name(request.node)
    print(f"{name}: SEED={seed}")  # noqa: T201 - shown when the test fails
    if not fault_stack.sound:
        fault_stack.up()
    fault_stack.wait_until_serving()
    fault_stack.sound = False
    begun = kind_of_trial(name, seed, fault_stack, request.config.stash[ROWS])
    yield begun
    if not begun.passed:
        begun.keep_ledger(HOME / f"{name}.ledger")
        (HOME / f"{name}.log").write_text(fault_stack.compose("logs", "--no-color", "--timestamps"))
    fault_stack.sound = begun.passed


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    found = config.stash[ROWS]
    kinds: dict[type[Row], None] = dict.fromkeys(type(row) for row in found)
    for kind in kinds:
        rows = [row for row in found if type(row) is kind]
        terminalreporter.section("faults")
        for line in report.table(rows):
            terminalreporter.write_line(line)
        report.keep(rows, kind.file if os.environ.get("FAULTS") else HOME / "report.json")
