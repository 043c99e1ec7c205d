"""Full disks."""

from collections.abc import Iterator
from contextlib import contextmanager

from faults.stack import Stack
from faults.trial import Trial, lasts

FULL_S = 10.0
SCRATCH = ("/tmp", "/dev/shm")  # noqa: S108 - of the container


@contextmanager
def full(stack: Stack, service: str, *folders: str) -> Iterator[None]:
    """Fill folders of a container to the last byte during the block."""
    for folder in folders:
        # In large steps first, then to the last byte; each step ends because the disk is full.
        steps = (f"dd if=/dev/zero of={folder}/filling-{size} bs={size} 2>&1" for size in ("1M", "1"))
        stack.execute(service, "sh", "-c", "; ".join((*steps, "true")))
    try:
        yield
    finally:
        for folder in folders:
            stack.execute(service, "sh", "-c", f"rm -f {folder}/filling-*")


def test_disk_full_under_postgres(trial: Trial) -> None:
    def fault() -> None:
        with full(trial.stack, "disk", "/disk"):
            lasts(FULL_S)

    # RabbitMQ ends if it cannot write its log, and is restarted until it can.
    trial.survives(fault, hit={"postgres"})


def test_disk_full_under_imaging(trial: Trial) -> None:
    def fault() -> None:
        with full(trial.stack, "imaging", *SCRATCH):
            lasts(FULL_S)

    trial.survives(fault)
