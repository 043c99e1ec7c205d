"""Strikes at the checkpoints of a service: Python imports this module at start, because the fault tests mount it there.

A file in /armed, of which every service has its own, arms a checkpoint: `<checkpoint>.<action>`, where the action is

- `die`: the first process that gets there ends at once, as by SIGKILL; taking the file away decides which that is;
- `die-always`: every process that gets there ends, until the file is taken away.

The text of the file, if there is any, is the only subject that is struck.
"""

import os
from pathlib import Path

from chassis import checkpoints

ARMED = Path("/armed")
KILLED = 137  # what a shell would tell of SIGKILL, which a container's first process cannot send to itself


def strike(name: str, subject: str) -> None:
    """Do what is armed for the checkpoint NAME."""
    if is_armed(file := ARMED / f"{name}.die", subject):
        try:
            file.unlink()
        except FileNotFoundError:
            return  # another process dies of it
        os._exit(KILLED)
    if is_armed(ARMED / f"{name}.die-always", subject):
        os._exit(KILLED)


def is_armed(file: Path, subject: str) -> bool:
    """Tell whether FILE arms its checkpoint for SUBJECT."""
    try:
        return file.read_text() in {"", subject}
    except FileNotFoundError:
        return False


checkpoints.install(strike)
