"""The state folder `.imghost`; its subfolder `run/` has all files of one run and is emptied at the next start."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from embedded.faults import RunFailed, means_full_disk

PRIVATE = 0o700


@dataclass(frozen=True)
class Home:
    """The paths of the state folder. `root` is absolute."""

    root: Path

    @property
    def run(self) -> Path:
        """Return the folder of the current run: databases, broker, keys, logs."""
        return self.root / "run"

    @property
    def logs(self) -> Path:
        """Return the folder with one log for each process."""
        return self.run / "logs"

    @property
    def temporary(self) -> Path:
        """Return the folder for temporary files of all processes, which is emptied like the rest."""
        return self.run / "tmp"

    @property
    def run_env(self) -> Path:
        """Return the file from which other programs read how to reach a run that is ready."""
        return self.root / "run.env"

    @property
    def lock(self) -> Path:
        """Return the file that a run locks as long as it lives."""
        return self.root / "lock"

    def start_afresh(self) -> None:
        """Remove the files of the last run and create the folders of the next. The lock must be held."""
        self.run_env.unlink(missing_ok=True)
        if self.run.exists():
            shutil.rmtree(self.run)
        for folder in (self.run, self.logs, self.temporary):
            folder.mkdir(mode=PRIVATE)


def find_home() -> Home:
    """Return the state folder: IMGHOST_HOME, or `.imghost` in the current folder."""
    return Home(Path(os.environ.get("IMGHOST_HOME") or ".imghost").absolute())


@contextmanager
def locked(home: Home) -> Iterator[None]:
    """Lock the state folder for one run. Raise `RunFailed`, with nothing changed, if another run has it.

    The kernel releases the lock in whatever way this process ends.
    """
    with _open(home) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = file.read().decode().strip() or "unknown"
            raise RunFailed(f"already running here as process {owner} ({home.root}); nothing was changed") from None
        file.truncate(0)
        with suppress(OSError):  # the id is for people only; a full disk is reported elsewhere
            file.write(f"{os.getpid()}\n".encode())
        try:
            yield
        finally:
            file.truncate(0)


def _open(home: Home) -> FileIO:
    try:
        home.root.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        home.lock.touch(mode=0o600)
        return home.lock.open("r+b", buffering=0)
    except OSError as fault:
        if means_full_disk(fault):
            raise
        raise RunFailed(f"{home.root} cannot be used: {fault.strerror}; nothing was started") from fault


def shown(path: Path) -> str:
    """Return a path relative to the current folder, if it lies below it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
