"""Ends processes at the fault-injection points of a service: Python imports this module at start, where tests mount it.

A file in the service's own folder /armed, or in that which the variable ARMED names, arms a checkpoint. It is called
`<checkpoint>.<action>`, and the action is

- `die`: the first process to reach the checkpoint ends at once, as by SIGKILL; it is the one that removes the file;
- `die-always`: every process that reaches the checkpoint ends, until the file is removed.

If the file has a text, only work on that subject (a message id or an S3 key) ends its process.
"""

import os
from pathlib import Path

from chassis import checkpoints

ARMED = Path(os.environ.get("ARMED", "/armed"))
KILLED = 137  # the status of a process killed by SIGKILL, which the first process of a container cannot send to itself


def strike(name: str, subject: str) -> None:
    """Do what is armed for the checkpoint `name`."""
    if is_armed(file := ARMED / f"{name}.die", subject):
        try:
            file.unlink()
        except FileNotFoundError:
            return  # another process was faster, and dies
        os._exit(KILLED)
    if is_armed(ARMED / f"{name}.die-always", subject):
        os._exit(KILLED)


def is_armed(file: Path, subject: str) -> bool:
    """Return whether `file` arms its checkpoint for `subject`."""
    try:
        return file.read_text() in {"", subject}
    except FileNotFoundError:
        return False


checkpoints.install(strike)
