"""Check the room on the disk, before the start and again and again during the run."""

import os
from pathlib import Path

from embedded.faults import DiskFull, RunFailed

MIB = 1024 * 1024
NEEDED_TO_START_MIB = 200
"""A fresh run takes some 20 MiB; the rest is room for pictures and the broker's log of messages."""
NEEDED_TO_RUN_MIB = 80
"""Above `rabbitmq.DISK_FREE_LIMIT_MIB`: the run ends with a message before RabbitMQ silently blocks publishers."""


def free_mib(folder: Path) -> int:
    """Return how many MiB this user can still write on the file system of `folder`, which need not exist yet."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    status = os.statvfs(existing)
    return status.f_bavail * status.f_frsize // MIB


def check_before_start(folder: Path) -> None:
    """Raise `DiskFull` if there is too little room to start."""
    free = free_mib(folder)
    if free < NEEDED_TO_START_MIB:
        raise DiskFull(f"the disk of {folder} is full: {free} MiB free, {NEEDED_TO_START_MIB} MiB needed to start")


def check_while_running(folder: Path) -> None:
    """Raise `DiskFull` if there is too little room to go on."""
    free = free_mib(folder)
    if free < NEEDED_TO_RUN_MIB:
        raise DiskFull(f"the disk of {folder} is full: {free} MiB free, {NEEDED_TO_RUN_MIB} MiB needed to go on")


def blame_disk(folder: Path, fault: RunFailed) -> None:
    """Raise `DiskFull` if the disk is full: that is then the cause of `fault`, such as a child that could not write."""
    if not isinstance(fault, DiskFull):
        check_while_running(folder)
