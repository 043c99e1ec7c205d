"""The runner is the real one; the children are toys."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from embedded import leftovers, proc
from embedded.child import Child, base_environment
from embedded.faults import RunFailed
from embedded.home import Home
from embedded.stage import Stage

STUBBORN = ("sh", "-c", "trap '' TERM; while :; do sleep 1; done")


def wait_until(condition: Callable[[], bool], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "the deadline passed"
        time.sleep(0.02)


@pytest.fixture
def make_stage(home: Home) -> Iterator[Callable[..., Stage]]:
    stages = []

    def make(**commands: tuple[str, ...]) -> Stage:
        children = [Child(name, command, base_environment(home)) for name, command in commands.items()]
        stage = Stage("toys", children, home)
        stages.append(stage)
        stage.start()
        return stage

    yield make
    for stage in stages:
        stage.stop()
    leftovers.end(home, [pid for stage in stages for pid in stage.pids.values()])


def failure_of(stage: Stage) -> RunFailed:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            stage.check()
        except RunFailed as fault:
            return fault
        time.sleep(0.02)
    return pytest.fail("nothing was noticed")


def test_children_run_until_the_stage_is_stopped(home: Home, make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(one=("sleep", "60"), two=("sleep", "60"))
    wait_until(lambda: stage.has_started)
    stage.check()

    stage.stop()

    assert leftovers.find(home) == []


def test_child_that_fails_is_named_with_its_last_words(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(steady=("sleep", "60"), weak=("sh", "-c", "echo no database; exit 7"))

    fault = failure_of(stage)

    assert str(fault) == "weak ended unexpectedly (exit code 7); everything is stopped"
    assert fault.details == ["no database"]


def test_child_that_is_killed_is_named_while_its_own_child_lives(home: Home, make_stage: Callable[..., Stage]) -> None:
    parent = ("sh", "-c", "sleep 60 & wait")
    stage = make_stage(steady=("sleep", "60"), parent=parent)
    wait_until(lambda: stage.has_started)
    wait_until(lambda: len(leftovers.find(home, [stage.pids["parent"]])) > 0)

    os.kill(stage.pids["parent"], signal.SIGKILL)

    assert str(failure_of(stage)) == "parent ended unexpectedly (SIGKILL); everything is stopped"
    stage.stop()
    leftovers.end(home, stage.pids.values())
    assert leftovers.find(home) == []


def test_stop_at_once_loses_no_child(home: Home, make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(**{f"toy-{number}": ("sleep", "60") for number in range(6)})

    stage.stop()

    assert leftovers.find(home) == []


def test_child_that_ignores_sigterm_is_killed(home: Home, make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(polite=("sleep", "60"), stubborn=STUBBORN)
    wait_until(lambda: stage.has_started)
    started = time.monotonic()

    stage.stop()

    assert time.monotonic() - started < 8
    assert leftovers.find(home) == []


def test_killed_runner_is_noticed_and_its_children_are_found(home: Home, make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(one=("sleep", "60"), two=("sleep", "60"))
    wait_until(lambda: stage.has_started)
    runner = os.getsid(next(pid for pid in leftovers.find(home) if pid not in stage.pids.values()))

    os.kill(runner, signal.SIGKILL)

    assert "the runner of one, two ended (SIGKILL)" in str(failure_of(stage))
    assert leftovers.end(home) > 0
    assert leftovers.find(home) == []


def test_killed_watcher_is_noticed(home: Home, make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(one=("sleep", "60"), two=("sleep", "60"))
    wait_until(lambda: stage.has_started)
    watcher = proc.status(stage.pids["two"])
    assert watcher is not None

    os.kill(watcher.parent, signal.SIGKILL)

    assert str(failure_of(stage)) == "what watches over two ended unexpectedly; everything is stopped"
    stage.stop()
    leftovers.end(home)
    assert leftovers.find(home) == []


def test_children_end_when_who_started_them_is_killed(home: Home, tmp_path: Path) -> None:
    script = tmp_path / "starter.py"
    script.write_text(
        "import sys, time\n"
        "from pathlib import Path\n"
        "from embedded.child import Child, base_environment\n"
        "from embedded.home import Home\n"
        "from embedded.stage import Stage\n"
        "home = Home(Path(sys.argv[1]))\n"
        "stage = Stage('toys', [Child(n, ('sleep', '60'), base_environment(home)) for n in ('one', 'two')], home)\n"
        "stage.start()\n"
        "while not stage.has_started: time.sleep(0.02)\n"
        "print('started', flush=True)\n"
        "time.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(script), str(home.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"started\n"
        starter.kill()

    wait_until(lambda: leftovers.find(home) == [])
