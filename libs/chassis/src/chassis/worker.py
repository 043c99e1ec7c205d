"""A worker process: a few loops on threads, ended together by a signal or by the death of one of them."""

import signal
import sys
import threading
from collections.abc import Callable, Mapping
from types import FrameType

import structlog

from chassis.errors import DependencyDownError

log = structlog.get_logger(__name__)


def run(loops: Mapping[str, Callable[[], None]], stop: threading.Event) -> None:
    """Run each of LOOPS on a thread until SIGTERM or SIGINT sets STOP; the loops then finish what they have in hand.

    A loop that ends unasked is a defect: it is logged, the others are stopped, and the process ends with status 1,
    for whatever supervises it to start it anew.
    """
    failed = threading.Event()

    def guarded(name: str, loop: Callable[[], None]) -> None:
        try:
            loop()
        except Exception:
            log.exception("loop failed", loop=name)
        if not stop.is_set():
            failed.set()
            stop.set()

    def end(number: int, _frame: FrameType | None) -> None:
        log.info("stopping", signal=signal.Signals(number).name)
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    threads = [threading.Thread(target=guarded, args=item, name=item[0]) for item in loops.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed.is_set():
        sys.exit(1)


def every(period_s: float, task: Callable[[], object], stop: threading.Event) -> Callable[[], None]:
    """Make a loop that does TASK every PERIOD_S seconds; a dependency that is down only skips a turn."""

    def loop() -> None:
        while not stop.wait(period_s):
            try:
                task()
            except DependencyDownError as fault:
                log.warning("turn skipped", error=str(fault))

    return loop
