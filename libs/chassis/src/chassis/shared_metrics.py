"""Metrics of several processes, kept in files of one folder, so that one of them can show the sum over all.

prometheus_client decides when it is imported whether values are kept in memory or in such files. So `share` is called
before anything imports it, which `chassis.program` sees to.
"""

import atexit
import os
import shutil
from pathlib import Path
from tempfile import mkdtemp

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_MEMORY = Path("/dev/shm")  # noqa: S108 - the name is not guessable, and a request must not wait for a disk


def share() -> None:
    """Keep the metrics of this process, and of those that are forked from it, in a new folder until it ends."""
    folder = mkdtemp(prefix="imghost-metrics-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None)
    os.environ[FOLDER] = folder
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:  # forked processes call this, too, when they end
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)


def keep_apart() -> None:
    """Keep the metrics of this process in its memory, whatever the environment says."""
    os.environ.pop(FOLDER, None)


def are_shared() -> bool:
    """Return whether the metrics of this process are kept in a folder that it shares with others."""
    return FOLDER in os.environ
