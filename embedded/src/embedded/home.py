"""The state folder: `run/` holds everything of one run and is wiped at the next start, the rest belongs to us only."""

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
    """Where a run keeps what; `root` is absolute."""

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
        """Return the folder for temporary files of all processes, so that they count and go with the rest."""
        return self.run / "tmp"

    @property
    def run_env(self) -> Path:
        """Return the file that tells other programs how to reach a run that is ready."""
        return self.root / "run.env"

    @property
    def lock(self) -> Path:
        """Return the file that is locked while a run lives."""
        return self.root / "lock"

    def start_afresh(self) -> None:
        """Remove what the last run left and make the folders of the next. The lock must be held."""
        self.run_env.unlink(missing_ok=True)
        if self.run.exists():
            shutil.rmtree(self.run)
        for folder in (self.run, self.logs, self.temporary):
            folder.mkdir(mode=PRIVATE)


def find_home() -> Home:
    """Return the state folder: IMGHOST_HOME, or `.imghost` where the command was started."""
    return Home(Path(os.environ.get("IMGHOST_HOME") or ".imghost").absolute())


@contextmanager
def locked(home: Home) -> Iterator[None]:
    """Hold the state folder for one run; raise RunFailed, with nothing changed, if another run has it.

    The kernel gives the lock back however this process ends.
    """
    with _open(home) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = file.read().decode().strip() or "unknown"
            raise RunFailed(f"already running here as process {owner} ({home.root}); nothing was changed") from None
        file.truncate(0)
        with suppress(OSError):  # for people only; a full disk is told elsewhere
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
    """Return a path as a person at this place would type it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
