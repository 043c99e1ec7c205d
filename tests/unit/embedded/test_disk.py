import errno
from pathlib import Path

import pytest

from embedded.faults import DiskFull, means_full_disk
from embedded.parts import disk, rabbitmq


def test_room_is_what_the_file_system_says(tmp_path: Path) -> None:
    assert disk.free_mib(tmp_path) > 0


def test_too_little_room_is_said_with_both_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "NEEDED_TO_START_MIB", 10**12)
    monkeypatch.setattr(disk, "NEEDED_TO_RUN_MIB", 10**12)

    with pytest.raises(DiskFull, match=rf"{tmp_path} is full: \d+ MiB free, {10**12} MiB needed to start"):
        disk.check_before_start(tmp_path)
    with pytest.raises(DiskFull, match=r"MiB needed to go on"):
        disk.check_while_running(tmp_path)


def test_the_run_speaks_before_the_broker_blocks() -> None:
    assert disk.NEEDED_TO_START_MIB > disk.NEEDED_TO_RUN_MIB > rabbitmq.DISK_FREE_LIMIT_MIB


def test_errors_that_mean_a_full_disk_are_known() -> None:
    assert means_full_disk(OSError(errno.ENOSPC, "no room"))
    assert means_full_disk(OSError(errno.EDQUOT, "quota"))
    assert not means_full_disk(OSError(errno.EACCES, "no right"))
    assert not means_full_disk(ValueError())
