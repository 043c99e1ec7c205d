"""Processes as /proc shows them."""

import os
from pathlib import Path


def children(of: int | None = None) -> list[int]:
    """Return the ids of all children of the process `of`, by default this one, zombies included."""
    parent = os.getpid() if of is None else of
    return [pid for pid in _running() if (found := stat(pid)) and int(found[1]) == parent]


def stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the name, the state first; empty if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def _running() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
