"""The folder in which web processes keep their metrics is gone with them, however they end."""

import os
import subprocess
import sys
from pathlib import Path

from deadlines import until

# It shares, forks a process that stays, tells the folder and the process, and waits.
SHARING = """
import os, signal, sys
from chassis import shared_metrics
shared_metrics.share()
child = os.fork()
if child:
    print(os.environ[shared_metrics.FOLDER], child, flush=True)
signal.pause()
"""
ANOTHER = "from chassis import shared_metrics; shared_metrics.share()"


def another_starts_and_ends() -> None:
    subprocess.run([sys.executable, "-c", ANOTHER], check=True, timeout=20)


def test_folder_of_killed_processes_is_removed_by_the_next_and_no_other() -> None:
    with subprocess.Popen([sys.executable, "-c", SHARING], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told, child = process.stdout.readline().split()
        folder = Path(told)
        another_starts_and_ends()
        assert folder.is_dir()
        process.kill()
        process.wait()
        another_starts_and_ends()
        assert folder.is_dir()  # a process that was forked still writes there
        os.kill(int(child), 9)

    def is_removed() -> bool:
        another_starts_and_ends()
        return not folder.exists()

    until(is_removed, 10, "the folder is left")
