"""Room on the disk: asked before the start, and again and again while the run lives."""

import os
from pathlib import Path

from embedded.faults import DiskFull

MIB = 1024 * 1024
NEEDED_TO_START_MIB = 200
"""A fresh run takes some 20 MiB; the rest is room for pictures and the broker's log of messages."""
NEEDED_TO_RUN_MIB = 80
"""Above RabbitMQ's own limit (`rabbitmq.DISK_FREE_LIMIT_MIB`), so that we speak before it silently blocks."""


def free_mib(folder: Path) -> int:
    """Return the room that this user can still fill on the file system of `folder`, there or yet to be made."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    status = os.statvfs(existing)
    return status.f_bavail * status.f_frsize // MIB


def check_before_start(folder: Path) -> None:
    """Raise DiskFull if there is too little room to start."""
    free = free_mib(folder)
    if free < NEEDED_TO_START_MIB:
        raise DiskFull(f"the disk of {folder} is full: {free} MiB free, {NEEDED_TO_START_MIB} MiB needed to start")


def check_while_running(folder: Path) -> None:
    """Raise DiskFull if there is too little room to go on."""
    free = free_mib(folder)
    if free < NEEDED_TO_RUN_MIB:
        raise DiskFull(f"the disk of {folder} is full: {free} MiB free, {NEEDED_TO_RUN_MIB} MiB needed to go on")
