"""The pool: children that are ready before a picture comes, and replaced when they die of one."""

import json
import math
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from imaging.domain import (
    DecoderCrashedError,
    DecodeTimeoutError,
    DecodeTooCostlyError,
    HostExhaustedError,
    Limits,
    MalformedError,
    PictureError,
    Rendering,
    TooLargeError,
    UnsupportedFormatError,
)
from imaging.sandbox import protocol

log = structlog.get_logger(__name__)

_START_S = 30.0
_REFUSALS: dict[str, type[PictureError]] = {
    kind.code: kind for kind in (UnsupportedFormatError, MalformedError, TooLargeError)
}
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
# A picture that had this share of its CPU time when the clock on the wall ended it was not held up by the host.
_NEARLY = 0.8
# What ends a process from inside; SIGKILL is the host's doing.
_OUT_OF_CPU_TIME = {signal.SIGPROF, signal.SIGXCPU}


@dataclass(frozen=True)
class Bounds:
    """What one picture may take: CPU seconds, seconds on the wall."""

    cpu_s: float
    wall_s: float


class _Child:
    def __init__(self, limits: Limits, squares: tuple[int, ...], bounds: Bounds) -> None:
        self.connection, theirs = socket.socketpair()
        command = [
            *(sys.executable, "-m", "imaging.sandbox.child"),
            *("--limits", json.dumps(asdict(limits))),
            *("--squares", json.dumps(squares)),
            *("--cpu-s", str(bounds.cpu_s)),
        ]
        environment = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG") if name in os.environ}
        # Threads of numerical libraries, and arenas of the allocator, would each take a share of the address space.
        environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - our own module, by our own interpreter
                command, stdin=theirs.fileno(), env=environment, start_new_session=True
            )
        try:
            self.connection.settimeout(_START_S)
            protocol.receive_ready(self.connection)
        except (OSError, ValueError, protocol.EndedError) as fault:
            self.end()
            raise HostExhaustedError(f"no decoder could be started: {fault!r}") from fault

    def cpu_s(self) -> float:
        """Give the CPU time that the process has taken so far; infinite if it is gone."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return math.inf
        return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND  # utime and stime, proc_pid_stat(5)

    def is_alive(self) -> bool:
        """Tell whether the process is there."""
        return self.process.poll() is None

    def end(self) -> int:
        """End the process, whatever it does; give how it ended: negative for the signal that did it."""
        self.connection.close()
        self.process.kill()
        status: int = self.process.wait()
        return status


class Pool:
    """SIZE children; whoever wants a picture rendered waits for an idle one."""

    def __init__(self, size: int, limits: Limits, squares: tuple[int, ...], bounds: Bounds) -> None:
        self._limits, self._squares, self._bounds = limits, squares, bounds
        self._idle: queue.SimpleQueue[_Child | None] = queue.SimpleQueue()
        self._size = size
        for _ in range(size):
            self._idle.put(None)

    def render(self, data: bytes) -> Rendering:
        """Render DATA as `pipeline.render` does, in a child.

        Raises what that raises; DecodeTooCostlyError and DecoderCrashedError, which are the picture's fault;
        DecodeTimeoutError, which may be the host's; HostExhaustedError, which is.
        """
        if len(data) > self._limits.max_bytes:
            raise TooLargeError(f"The file has {len(data)} bytes; {self._limits.max_bytes} are allowed.")
        with self._child() as child:
            return self._ask(child, data)

    def warm_up(self) -> None:
        """Start all children now rather than with the first pictures."""
        children = [self._idle.get() or self._start() for _ in range(self._size)]
        for child in children:
            self._idle.put(child)

    def close(self) -> None:
        """End all children."""
        for _ in range(self._size):
            child = self._idle.get()
            if child is not None:
                child.end()

    def _start(self) -> _Child:
        return _Child(self._limits, self._squares, self._bounds)

    @contextmanager
    def _child(self) -> Iterator[_Child]:
        """Take an idle child, or start one; it comes back if it is still alive."""
        child = self._idle.get()
        try:
            if child is not None and not child.is_alive():
                child.end()
                child = None
            child = child or self._start()
            yield child
        finally:
            if child is not None and not child.is_alive():
                child.end()
                child = None
            self._idle.put(child)

    def _ask(self, child: _Child, data: bytes) -> Rendering:
        child.connection.settimeout(None)  # the watchdog ends the child, and with it every wait
        spent_before = child.cpu_s()
        spent: list[float] = []

        def end_late() -> None:
            spent.append(child.cpu_s() - spent_before)
            child.process.kill()

        watchdog = threading.Timer(self._bounds.wall_s, end_late)
        watchdog.start()
        try:
            protocol.send_bytes(child.connection, data)
            said = protocol.hear(child.connection)
        except (OSError, ValueError, protocol.EndedError) as fault:
            watchdog.cancel()
            watchdog.join()
            raise self._cause(child.end(), spent, fault) from fault
        finally:
            watchdog.cancel()
        if isinstance(said, Rendering):
            return said
        if isinstance(said, protocol.RefusedSaid):
            raise _REFUSALS[said.code](said.detail)
        raise HostExhaustedError(f"the host has no memory left; the decoder had {said.share:.0%} of what it may have")

    def _cause(self, status: int, spent: list[float], fault: Exception) -> Exception:
        """Tell whose fault it is, by how the child ended, and by the CPU time SPENT if the wall clock ended it."""
        if -status in _OUT_OF_CPU_TIME or (spent and spent[0] >= self._bounds.cpu_s * _NEARLY):
            return DecodeTooCostlyError()
        if spent:
            return DecodeTimeoutError(f"not decoded within {self._bounds.wall_s:g} s; it had {spent[0]:.1f} s of CPU")
        if status == -signal.SIGKILL and not isinstance(fault, ValueError):
            return HostExhaustedError("the decoder was killed, as by a host without memory")
        log.warning("decoder ended", status=status, error=repr(fault))
        return DecoderCrashedError()
