"""What Linux tells about processes in /proc. Elsewhere nothing is known, and what builds on this does nothing."""

from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Status:
    """The part of /proc/PID/stat that matters here."""

    is_dead: bool
    """A zombie: it has ended, and waits for its parent only."""
    parent: int
    session: int


def status(pid: int) -> Status | None:
    """Return the status of a process; None if there is no such process."""
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, parent, _group, session = text.rpartition(")")[2].split()[:4]
    return Status(state in {"Z", "X"}, int(parent), int(session))


def environment(pid: int) -> list[bytes]:
    """Return what a process was started with, each as NAME=value; nothing if it is somebody else's or has ended."""
    try:
        return (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def all_processes() -> list[int]:
    """Return the ids of all processes."""
    return [int(folder.name) for folder in PROC.glob("[0-9]*")]
