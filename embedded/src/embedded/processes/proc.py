"""Read what Linux tells about processes in /proc. On other systems every answer is empty."""

from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Status:
    """The part of /proc/PID/stat that matters here."""

    is_dead: bool
    """A zombie: it has ended, but its parent has not asked for its exit code yet."""
    session: int


def status(pid: int) -> Status | None:
    """Return the status of a process; None if there is no such process."""
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, _parent, _group, session = text.rpartition(")")[2].split()[:4]
    return Status(state in {"Z", "X"}, int(session))


def environment(pid: int) -> list[bytes]:
    """Return the variables of a process as `NAME=value`; an empty list if it is another user's or has ended."""
    try:
        return (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def all_processes() -> list[int]:
    """Return the ids of all processes."""
    return [int(folder.name) for folder in PROC.glob("[0-9]*")]
