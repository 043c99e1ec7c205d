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
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from imaging.domain import Limits, Rendering
from imaging.errors import (
    DecoderCrashedError,
    DecodeTimeoutError,
    DecodeTooCostlyError,
    HostExhaustedError,
    MalformedError,
    PictureError,
    TooLargeError,
    UnsupportedFormatError,
)
from imaging.sandbox import protocol
from imaging.sandbox.confinement import bytes_told

log = structlog.get_logger(__name__)

_START_S = 30.0
# From the end of a child's socket to the end of the process: an interpreter that fails takes a moment in between.
_ENDING_S = 2.0
_PROGRAM = (sys.executable, "-m", "imaging.sandbox.child")
_REFUSALS: dict[str, type[PictureError]] = {
    kind.code: kind for kind in (UnsupportedFormatError, MalformedError, TooLargeError)
}
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
# A picture that had this share of its CPU time when the clock on the wall ended it was not held up by the host.
_NEARLY = 0.8
# A child that used this share of its memory is not used again: what it keeps, and its peak, would count for the next.
_WORN = 0.5
# What a picture of usual size gives back is kept for the next one: glibc would return it to the system, which would
# have to make each page anew. What is larger goes back at once.
ALLOCATION = {"MALLOC_MMAP_THRESHOLD_": str(8 * 1024**2), "MALLOC_TRIM_THRESHOLD_": str(32 * 1024**2)}
# What ends a process from inside; SIGKILL is the host's doing.
_OUT_OF_CPU_TIME = {signal.SIGPROF, signal.SIGXCPU}


@dataclass(frozen=True)
class Bounds:
    """What one picture may take: CPU seconds, seconds on the wall."""

    cpu_s: float
    wall_s: float


class _Child:
    def __init__(self, program: tuple[str, ...], limits: Limits, squares: tuple[int, ...], bounds: Bounds) -> None:
        command = [
            *program,
            *("--limits", json.dumps(asdict(limits))),
            *("--squares", json.dumps(squares)),
            *("--cpu-s", str(bounds.cpu_s)),
        ]
        environment = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG") if name in os.environ}
        # Threads of numerical libraries, and arenas of the allocator, would each take a share of the address space.
        environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1", **ALLOCATION}
        with ExitStack() as undo:
            try:
                self.connection, theirs = socket.socketpair()
                undo.callback(self.connection.close)
                with theirs:
                    self.process = subprocess.Popen(  # noqa: S603 - our own program, by our own arguments
                        command, stdin=theirs.fileno(), env=environment, start_new_session=True
                    )
                undo.callback(self.end)
                self.connection.settimeout(_START_S)
                protocol.receive_ready(self.connection)
                self._most_memory = self._bytes("VmSize") + int(limits.max_memory * _WORN)
            except (OSError, ValueError, KeyError, protocol.EndedError) as fault:
                raise HostExhaustedError(f"no decoder could be started: {fault!r}") from fault
            undo.pop_all()

    def cpu_s(self) -> float:
        """Give the CPU time that the process has taken so far; infinite if it is gone."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return math.inf
        return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND  # utime and stime, proc_pid_stat(5)

    def is_usable(self) -> bool:
        """Tell whether the process is there, and has not used so much memory that the next picture would suffer."""
        if self.process.poll() is not None:
            return False
        try:
            return self._bytes("VmPeak") < self._most_memory
        except (OSError, KeyError):
            return False

    def wait(self) -> int | None:
        """Give how the process ended by itself, negative for the signal that did it; None if it is still there."""
        try:
            return self.process.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> None:
        """End the process, whatever it does."""
        self.connection.close()
        self.process.kill()
        self.process.wait()

    def _bytes(self, name: str) -> int:
        return bytes_told(Path(f"/proc/{self.process.pid}/status").read_bytes(), name)


class Pool:
    """SIZE children that run PROGRAM; whoever wants a picture rendered waits for an idle one."""

    def __init__(
        self,
        size: int,
        limits: Limits,
        squares: tuple[int, ...],
        bounds: Bounds,
        program: tuple[str, ...] = _PROGRAM,
    ) -> None:
        self._program = program
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
        return _Child(self._program, self._limits, self._squares, self._bounds)

    @contextmanager
    def _child(self) -> Iterator[_Child]:
        """Take an idle child, or start one; it comes back if it has answered and can be used again."""
        child = self._idle.get()
        answered = False
        try:
            if child is not None and not child.is_usable():
                child.end()
                child = None
            child = child or self._start()
            yield child
            answered = True
        except (PictureError, HostExhaustedError):
            answered = True
            raise
        finally:
            # One that was not heard to the end would give its answer to the next picture.
            if child is not None and not (answered and child.is_usable()):
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
        try:
            watchdog.start()
        except RuntimeError as fault:
            raise HostExhaustedError(f"no decoder could be watched: {fault}") from fault
        try:
            protocol.send_bytes(child.connection, data)
            said = protocol.hear(child.connection, self._squares, self._limits.max_side)
        except (OSError, ValueError, protocol.EndedError) as fault:
            watchdog.cancel()
            watchdog.join()
            status = None if isinstance(fault, ValueError) else child.wait()
            child.end()
            raise self._cause(status, spent, fault) from fault
        finally:
            watchdog.cancel()
            watchdog.join()
        if spent:
            child.end()  # killed when it had just answered: the next picture must not meet it dying
        if isinstance(said, Rendering):
            return said
        if isinstance(said, protocol.RefusedSaid):
            raise _REFUSALS[said.code](said.detail)
        raise HostExhaustedError(f"the host has no memory left; the decoder had {said.share:.0%} of what it may have")

    def _cause(self, status: int | None, spent: list[float], fault: Exception) -> Exception:
        """Tell whose fault it is, by how the child ended, if it did, and the CPU time SPENT if the clock ended it."""
        if -(status or 0) in _OUT_OF_CPU_TIME or (spent and spent[0] >= self._bounds.cpu_s * _NEARLY):
            return DecodeTooCostlyError()
        if spent:
            return DecodeTimeoutError(f"not decoded within {self._bounds.wall_s:g} s; it had {spent[0]:.1f} s of CPU")
        if status == -signal.SIGKILL:
            return HostExhaustedError("the decoder was killed, as by a host without memory")
        log.warning("decoder ended", status=status, error=repr(fault))
        return DecoderCrashedError()
