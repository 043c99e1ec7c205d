"""Metrics of several processes, kept in files of one folder, so that one of them can show the sum over all.

prometheus_client decides when it is imported whether values are kept in memory or in such files. So `share` is called
before anything imports it, which `chassis.program` sees to.
"""

import atexit
import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path
from tempfile import gettempdir, mkdtemp

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_MEMORY = Path("/dev/shm")  # noqa: S108 - the name is not guessable, and a request must not wait for a disk
_PREFIX, _LOCK = "imghost-metrics-", "lock"


def share() -> None:
    """Keep the metrics of this process, and of those that are forked from it, in a new folder until it ends.

    Folders of processes that were killed are removed.
    """
    parent = _MEMORY if os.access(_MEMORY, os.W_OK) else Path(gettempdir())
    for left in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # of another user, or removed by somebody else meanwhile
            _remove_unless_locked(left)
    folder = Path(mkdtemp(prefix=_PREFIX, dir=parent))
    os.environ[FOLDER] = str(folder)
    # Forked processes have the lock, too: it ends with the last of them, however that ends.
    lock = os.open(folder / "new", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    (folder / "new").rename(folder / _LOCK)  # others look for it only now that it is locked
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:  # forked processes call this, too, when they end
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)


def _remove_unless_locked(folder: Path) -> None:
    lock = os.open(folder / _LOCK, os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    finally:
        os.close(lock)


def keep_apart() -> None:
    """Keep the metrics of this process in its memory, whatever the environment says."""
    os.environ.pop(FOLDER, None)


def are_shared() -> bool:
    """Return whether the metrics of this process are kept in a folder that it shares with others."""
    return FOLDER in os.environ
