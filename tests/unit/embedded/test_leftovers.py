import os
import subprocess
from collections.abc import Iterator

import pytest

from embedded.home import Home
from embedded.processes import leftovers
from embedded.processes.child import base_environment


@pytest.fixture
def marked(home: Home) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"], env=base_environment(home)) as process:
        yield process
        process.kill()


def test_marked_process_is_found_and_ended(home: Home, marked: subprocess.Popen[bytes]) -> None:
    assert leftovers.find(home) == [marked.pid]

    assert leftovers.end(home) == 1

    assert marked.wait(5) != 0
    assert leftovers.find(home) == []


def test_process_with_a_clean_environment_is_found_by_its_session(home: Home) -> None:
    command = ["sh", "-c", "env -i sleep 60 & wait"]
    with subprocess.Popen(command, env=base_environment(home), start_new_session=True) as leader:
        while not leftovers.find(home):
            pass
        leader.kill()
        leader.wait()
        leftovers.end(home, [leader.pid])
        assert leftovers.find(home, [leader.pid]) == []


def test_runs_elsewhere_are_left_alone(home: Home, marked: subprocess.Popen[bytes]) -> None:
    elsewhere = Home(home.root.with_name(home.root.name + " too"))

    assert leftovers.end(elsewhere) == 0

    assert marked.poll() is None
    assert os.getpid() not in leftovers.find(home, [os.getsid(0)])
