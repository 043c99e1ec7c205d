"""The guard is the real one; the children are toys."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from embedded.faults import RunFailed
from embedded.home import Home
from embedded.processes import leftovers
from embedded.processes.child import Child, base_environment, last_lines
from embedded.processes.process import Process
from embedded.processes.stack import Stack

STUBBORN = ("sh", "-c", "trap '' TERM; while :; do sleep 1; done")
STEADY = ("sleep", "60")


def wait_until(condition: Callable[[], object], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "the deadline passed"
        time.sleep(0.02)


def toys(home: Home, **commands: tuple[str, ...]) -> list[Child]:
    return [Child(name, command, base_environment(home)) for name, command in commands.items()]


@pytest.fixture
def stack(home: Home) -> Iterator[Stack]:
    stack = Stack(home)
    yield stack
    stack.stop()


def failure_of(check: Callable[[], object]) -> RunFailed:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            check()
        except RunFailed as fault:
            return fault
        time.sleep(0.02)
    return pytest.fail("nothing was noticed")


def guard_of(home: Home, children: list[Process]) -> int:
    wait_until(lambda: len(leftovers.find(home)) > len(children))
    (guard,) = [pid for pid in leftovers.find(home) if pid not in [child.pid for child in children]]
    return guard


def test_children_run_until_the_stack_is_stopped(home: Home, stack: Stack) -> None:
    stack.start(toys(home, one=STEADY, two=STEADY))
    stack.check()
    wait_until(lambda: len(leftovers.find(home)) == 3)

    stack.stop()

    assert leftovers.find(home) == []


def test_later_stages_end_first(home: Home, stack: Stack) -> None:
    note = 'trap "echo $0 >>ends; exit" TERM; echo up; while :; do sleep 0.1; done'
    stack.start(toys(home, first=("sh", "-c", note, "first")))
    stack.start(toys(home, second=("sh", "-c", note, "second")))
    wait_until(lambda: all(last_lines(home.logs / f"{name}.log") == ["up"] for name in ("first", "second")))

    stack.stop()

    assert (home.run / "ends").read_text() == "second\nfirst\n"


def test_output_of_both_kinds_goes_to_the_log(home: Home, stack: Stack) -> None:
    command = ("sh", "-c", "echo 'out & about'; echo wrong >&2; read nothing || echo no input")
    (toy,) = stack.prepare(toys(home, toy=command)).values()

    wait_until(toy)

    assert last_lines(home.logs / "toy.log") == ["out & about", "wrong", "no input"]


def test_child_that_fails_is_named_with_its_last_words(home: Home, stack: Stack) -> None:
    stack.start(toys(home, steady=STEADY, weak=("sh", "-c", "echo no database; exit 7")))

    fault = failure_of(stack.check)

    assert str(fault) == "weak ended unexpectedly (exit code 7); everything is stopped"
    assert fault.details == ["no database"]


def test_preparation_that_fails_is_named_with_its_last_words(home: Home, stack: Stack) -> None:
    (migrate,) = stack.prepare(toys(home, migrate=("sh", "-c", "echo no database; exit 7"))).values()

    fault = failure_of(migrate)

    assert str(fault) == "migrate failed (exit code 7)"
    assert fault.details == ["no database"]


def test_command_that_is_missing_is_named(home: Home, stack: Stack) -> None:
    with pytest.raises(RunFailed, match=r"^epmd cannot be started: No such file or directory; everything is stopped$"):
        stack.start(toys(home, epmd=("no-such-command",)))


def test_child_that_is_killed_is_named_while_its_own_child_lives(home: Home, stack: Stack) -> None:
    _, parent = stack.start(toys(home, steady=STEADY, parent=("sh", "-c", "sleep 60 & wait")))
    wait_until(lambda: len(leftovers.find(home)) == 4)

    os.kill(parent.pid, signal.SIGKILL)

    assert str(failure_of(stack.check)) == "parent ended unexpectedly (SIGKILL); everything is stopped"
    stack.stop()
    assert leftovers.find(home, [parent.pid]) == []


def test_child_that_ignores_sigterm_is_killed(home: Home, stack: Stack) -> None:
    stack.start(toys(home, polite=STEADY, stubborn=STUBBORN))
    started = time.monotonic()

    stack.stop()

    assert time.monotonic() - started < 8
    assert leftovers.find(home) == []


def test_killed_guard_is_noticed(home: Home, stack: Stack) -> None:
    children = stack.start(toys(home, one=STEADY, two=STEADY))

    os.kill(guard_of(home, children), signal.SIGKILL)

    said = "the guard of this run ended unexpectedly (SIGKILL); everything is stopped"
    assert str(failure_of(stack.check)) == said
    stack.start(toys(home, three=STEADY))
    stack.stop()
    assert leftovers.find(home) == []


CLEAN = "env -i sleep 60 & wait"


def test_children_end_when_who_started_them_is_killed(home: Home, tmp_path: Path) -> None:
    script = tmp_path / "starter.py"
    script.write_text(
        "import sys, time\n"
        "from pathlib import Path\n"
        "from embedded.home import Home\n"
        "from embedded.processes.child import Child, base_environment\n"
        "from embedded.processes.stack import Stack\n"
        "home = Home(Path(sys.argv[1]))\n"
        f"commands = {{'one': {STEADY}, 'two': ('sh', '-c', '{CLEAN}'), 'three': {STUBBORN}}}\n"
        "children = [Child(name, command, base_environment(home)) for name, command in commands.items()]\n"
        "print(*(process.pid for process in Stack(home).start(children)), flush=True)\n"
        "time.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(script), str(home.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as starter:
        assert starter.stdout is not None
        sessions = [int(pid) for pid in starter.stdout.readline().split()]
        assert len(sessions) == 3
        wait_until(lambda: len(leftovers.find(home, sessions)) > len(leftovers.find(home)))
        starter.kill()

    try:
        wait_until(lambda: leftovers.find(home, sessions) == [])
    finally:
        with suppress(AssertionError):
            leftovers.end(home, sessions)
