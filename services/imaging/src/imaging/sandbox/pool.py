"""The pool: children that are started before pictures arrive, and replaced when a picture kills them."""

import json
import math
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from imaging import metrics
from imaging.domain import DisplayPictures, Limits, Rendering
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
from imaging.sandbox.confinement import status_bytes

log = structlog.get_logger(__name__)

_START_S = 30.0
# Seconds from the end of a child's socket to the end of its process: an interpreter that fails takes a moment.
_ENDING_S = 2.0
_PROGRAM = (sys.executable, "-m", "imaging.sandbox.child")
_REFUSALS: dict[str, type[PictureError]] = {
    kind.code: kind for kind in (UnsupportedFormatError, MalformedError, TooLargeError)
}
# Errors after which a child is replaced, if it is, and the metric for that.
_ENDED_BY = {
    DecoderCrashedError: metrics.CRASHED,
    DecodeTooCostlyError: metrics.CPU_TIME,
    HostExhaustedError: metrics.KILLED,
}
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
# A picture that had used this share of its CPU time when its wall-clock time ran out was not held up by the host.
_NEARLY_ALL = 0.8
# A child that has used this share of its memory is not used again: its peak would count for the next picture too.
_WORN = 0.5
# glibc keeps what a picture of usual size frees for the next one; by default it returns it to the system, and each page
# has to be mapped again. Larger blocks are returned at once.
ALLOCATION = {"MALLOC_MMAP_THRESHOLD_": str(8 * 1024**2), "MALLOC_TRIM_THRESHOLD_": str(32 * 1024**2)}
# The signals of the child's own CPU limits. SIGKILL comes from the host, or from the pool itself.
_OUT_OF_CPU_TIME = {signal.SIGPROF, signal.SIGXCPU}


@dataclass(frozen=True)
class Bounds:
    """The seconds that one picture may take, by CPU time and by the clock."""

    cpu_s: float
    wall_s: float


class _Child:
    def __init__(self, command: Sequence[str], max_memory: int) -> None:
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
                self._most_memory = self._bytes("VmSize") + int(max_memory * _WORN)
            except (OSError, ValueError, KeyError, protocol.EndedError) as fault:
                raise HostExhaustedError(f"no decoder could be started: {fault!r}") from fault
            undo.pop_all()

    def cpu_s(self) -> float:
        """Return the CPU time that the process has used so far; infinite if it is gone."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return math.inf
        return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND  # utime and stime, proc_pid_stat(5)

    def is_usable(self) -> bool:
        """Return whether the process runs and has used so little memory that the next picture may have its share."""
        if self.process.poll() is not None:
            return False
        try:
            return self._bytes("VmPeak") < self._most_memory
        except (OSError, KeyError):
            return False

    def wait(self) -> int | None:
        """Return the exit status of the process, negative for a signal; None if it does not end within a while."""
        try:
            return self.process.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> None:
        """Kill the process."""
        self.connection.close()
        self.process.kill()
        self.process.wait()

    def _bytes(self, name: str) -> int:
        return status_bytes(Path(f"/proc/{self.process.pid}/status").read_bytes(), name)


class Pool:
    """`size` children that run `program`. Threads may share it: each waits for an idle child."""

    def __init__(  # noqa: PLR0913 - what a child is told
        self,
        size: int,
        limits: Limits,
        squares: tuple[int, ...],
        bounds: Bounds,
        program: tuple[str, ...] = _PROGRAM,
        *,
        display: DisplayPictures = "needed",
    ) -> None:
        self._limits, self._squares, self._bounds, self._display = limits, squares, bounds, display
        self._command = [
            *program,
            *("--limits", json.dumps(asdict(limits))),
            *("--squares", json.dumps(squares)),
            *("--display", display),
            *("--cpu-s", str(bounds.cpu_s)),
        ]
        self._idle: queue.SimpleQueue[_Child | None] = queue.SimpleQueue()
        self._size = size
        for _ in range(size):
            self._idle.put(None)
        metrics.DECODERS.set(size)

    def render(self, data: bytes) -> Rendering:
        """Return what `pipeline.render` makes of `data`, in a child, and raise what that raises.

        Raise `DecodeTooCostlyError` and `DecoderCrashedError`, which are the picture's fault; `DecodeTimeoutError`,
        which may be the host's; `HostExhaustedError`, which is the host's.
        """
        if len(data) > self._limits.max_bytes:
            raise TooLargeError(f"The file has {len(data)} bytes; {self._limits.max_bytes} are allowed.")
        with self._child() as child, metrics.DECODERS_BUSY.track_inprogress():
            began, shown = time.perf_counter(), "unknown"
            try:
                rendering = self._ask(child, data)
                shown = metrics.format_of(rendering.content_type)
            finally:
                metrics.DECODING.labels(shown).observe(time.perf_counter() - began)
            return rendering

    def warm_up(self) -> None:
        """Start all children now, so that the first pictures need not wait for them."""
        children = [self._idle.get() or self._start() for _ in range(self._size)]
        for child in children:
            self._idle.put(child)

    def close(self) -> None:
        """Kill all children, once they are idle."""
        for _ in range(self._size):
            child = self._idle.get()
            if child is not None:
                child.end()

    def _start(self) -> _Child:
        return _Child(self._command, self._limits.max_memory)

    @contextmanager
    def _child(self) -> Iterator[_Child]:
        """Lend an idle child, or a new one. It goes back into the pool if it has answered and can be used again."""
        child = self._idle.get()
        answered, ended_by = False, metrics.WORN
        try:
            if child is not None and not child.is_usable():
                child.end()
                child = None
                metrics.IDLE.inc()
            child = child or self._start()
            yield child
            answered = True
        except (PictureError, HostExhaustedError) as fault:
            answered, ended_by = True, _ENDED_BY.get(type(fault), metrics.WORN)
            raise
        except DecodeTimeoutError:
            ended_by = metrics.WALL_TIME
            raise
        finally:
            # The rest of an answer that was not received whole would pass for the answer to the next picture.
            if child is not None and not (answered and child.is_usable()):
                child.end()
                child = None
                ended_by.inc()
            self._idle.put(child)

    def _ask(self, child: _Child, data: bytes) -> Rendering:
        child.connection.settimeout(None)  # no timeout: the watchdog kills the child, which ends every wait
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
            answer = protocol.receive_answer(child.connection, self._squares, self._limits.max_side, self._display)
        except (OSError, ValueError, protocol.EndedError) as fault:
            watchdog.cancel()
            watchdog.join()
            status = None if isinstance(fault, ValueError) else child.wait()
            child.end()
            raise self._error(status, spent, fault) from fault
        finally:
            watchdog.cancel()
            watchdog.join()
        if spent:
            child.end()  # it was killed just after it had answered; the next picture must not get a dying child
        if isinstance(answer, Rendering):
            return answer
        if isinstance(answer, protocol.Refused):
            raise _REFUSALS[answer.code](answer.detail)
        raise HostExhaustedError(f"the host has no memory left; the decoder had {answer.share:.0%} of what it may have")

    def _error(self, status: int | None, spent: list[float], fault: Exception) -> Exception:
        """Return the error for a missing answer, by the child's exit `status` and, on timeout, the CPU time `spent`."""
        if -(status or 0) in _OUT_OF_CPU_TIME or (spent and spent[0] >= self._bounds.cpu_s * _NEARLY_ALL):
            return DecodeTooCostlyError()
        if spent:
            return DecodeTimeoutError(f"not decoded within {self._bounds.wall_s:g} s; it had {spent[0]:.1f} s of CPU")
        if status == -signal.SIGKILL:
            return HostExhaustedError("the decoder was killed, as by a host without memory")
        log.warning("decoder ended", status=status, error=repr(fault))
        return DecoderCrashedError()
