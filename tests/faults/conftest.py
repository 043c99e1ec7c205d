"""One stack for all fault tests of a session, the choice of the faults and of the seed, and the table at the end.

Without FAULTS only the short selection runs, which is part of `make test`; FAULTS=all runs all of them, and
FAULTS=name,… those named. SEED replays a run.
"""

import os
import secrets
from collections.abc import Iterator

import pytest

from clients import ValidatingClient
from faults import report
from faults.report import Row
from faults.stack import HOME, Stack
from faults.trial import Trial

USERS = 3
ROWS = pytest.StashKey[list[Row]]()


def fault_name(item: pytest.Item) -> str:
    """Name the fault of a test: `test_kills.py::test_killed[postgres]` is `killed-postgres`."""
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
def fault_stack(engine: None, request: pytest.FixtureRequest) -> Iterator[Stack]:  # noqa: ARG001
    """The stack of the fault tests; when one has failed, its logs are kept in .imghost/faults/stack.log."""
    stack = Stack()
    try:
        stack.up()
        yield stack
    finally:
        if request.session.testsfailed:
            (HOME / "stack.log").write_text(stack.compose("logs", "--no-color", "--timestamps"))
        stack.down()


@pytest.fixture(scope="session")
def fault_users(fault_stack: Stack) -> Iterator[list[ValidatingClient]]:
    """Users of the load; the last of them shows an API key instead of a password."""
    users = [fault_stack.new_user() for _ in range(USERS)]
    made = users[-1].post("/api/api-keys", json={"description": "load"})
    users[-1].auth = made.json()["key"]
    yield users
    for user in users:
        user.close()


@pytest.fixture
def trial(fault_stack: Stack, fault_users: list[ValidatingClient], request: pytest.FixtureRequest) -> Iterator[Trial]:
    """The stack, whole and at rest, with users and a seed."""
    seed = int(os.environ.get("SEED") or secrets.randbelow(10**9))
    name = fault_name(request.node)
    print(f"{name}: SEED={seed}")  # noqa: T201 - shown when the test fails
    fault_stack.wait_until_serving()
    begun = Trial(name, seed, fault_stack, fault_users, request.config.stash[ROWS])
    yield begun
    if request.session.testsfailed:
        begun.keep_ledger(HOME / f"{name}.ledger")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash[ROWS]
    if not rows:
        return
    terminalreporter.section("faults")
    for line in report.table(rows):
        terminalreporter.write_line(line)
    report.keep(rows, report.FILE if os.environ.get("FAULTS") else HOME / "report.json")
