"""A worker process: a few loops on threads, ended together by a signal or by the failure of one of them."""

import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pkgutil import resolve_name
from types import FrameType

import structlog

from chassis import ops, tracing
from chassis.errors import DependencyDownError
from chassis.health import Checks
from chassis.settings import ProcessSettings

log = structlog.get_logger(__name__)

Loop = Callable[[], None]


def _nothing_to_prepare(_stop: threading.Event) -> None:
    pass


@dataclass(frozen=True)
class Worker:
    """What a worker process is made of.

    Each of `loops`, by name, runs on a thread of its own until `stop` is set. `own` and `shared` are the checks for the
    operations port. `prepare` is called before the loops begin, while that port answers already, and `close` after they
    have ended, in this order.
    """

    loops: Mapping[str, Loop]
    stop: threading.Event
    own: Checks
    shared: Checks
    prepare: Callable[[threading.Event], None] = _nothing_to_prepare
    close: Sequence[Callable[[], None]] = ()


def run(factory: str, settings: ProcessSettings) -> None:
    """Run the worker that `factory` makes of `settings` until SIGTERM or SIGINT, or until one of its loops fails.

    `factory` is a function, named as `module:function`. It is imported here, so that other commands of the service load
    nothing of its worker, and show none of its metrics. The operations port is served meanwhile.
    """
    tracing.begin()
    worker: Worker = resolve_name(factory)(settings)
    ops.serve(settings.ops_host, settings.ops_port, worker.own, worker.shared)
    worker.prepare(worker.stop)
    try:
        _run_loops(worker.loops, worker.stop)
        for close in worker.close:
            close()
    finally:
        tracing.end()


def _run_loops(loops: Mapping[str, Loop], stop: threading.Event) -> None:
    """Run each of `loops` on a thread until SIGTERM or SIGINT sets `stop`; they then finish what they have in hand.

    A loop that ends by itself is a defect: it is logged, the others are stopped, and the process ends with status 1, so
    that whatever supervises it starts it again.
    """
    failed = threading.Event()

    def guarded(name: str, loop: Loop) -> None:
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


def every(period_s: float, task: Callable[[], object], stop: threading.Event) -> Loop:
    """Return a loop that calls `task` every `period_s` seconds; while a dependency is down, turns are skipped."""

    def loop() -> None:
        while not stop.wait(period_s):
            try:
                task()
            except DependencyDownError as fault:
                log.warning("turn skipped", error=str(fault))

    return loop
