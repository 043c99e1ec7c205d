import subprocess
import sys

PROGRAM = """
import os, signal, sys, threading
from chassis.settings import ProcessSettings
from chassis.worker import Worker, run

stop = threading.Event()

def ends():
    print("loop ends", flush=True)

def waits():
    print("loop begins", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    stop.wait()
    print("loop ends", flush=True)

def make_worker(_settings):
    return Worker(
        loops={"only": {"ends": ends, "waits": waits}[sys.argv[1]]},
        stop=stop,
        own={},
        shared={},
        prepare=lambda given: print("prepared", given is stop, flush=True),
        close=[lambda: print("closed first"), lambda: print("closed last")],
    )

run("__main__:make_worker", ProcessSettings(ops_port=0))
"""


def run(loop: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, loop], capture_output=True, text=True, timeout=20, check=False
    )


def test_worker_is_prepared_then_runs_until_a_signal_and_closes_in_order() -> None:
    ended = run("waits")
    steps = [line for line in ended.stdout.splitlines() if "stopping" not in line]
    assert steps == ["prepared True", "loop begins", "loop ends", "closed first", "closed last"]
    assert ended.returncode == 0


def test_worker_whose_loop_ends_by_itself_fails() -> None:
    ended = run("ends")
    assert "loop ends" in ended.stdout
    assert ended.returncode == 1
