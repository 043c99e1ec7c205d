"""Confinement: the rights that a child drops for good before it receives the first picture."""

import ctypes
import mmap
import resource
import signal
from io import FileIO

from imaging.sandbox import system_calls

_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_SLACK = 4 * 1024 * 1024


class Memory:
    """The address space of this process, limited to its size at this moment plus `allowed_bytes`."""

    def __init__(self, allowed_bytes: int) -> None:
        # Kept open, since `confine` forbids to open files.
        self._status = FileIO("/proc/self/status")
        self._allowed = allowed_bytes
        self._at_first = self._bytes("VmSize")

    def bound(self) -> None:
        """Set the limit."""
        most = self._at_first + self._allowed
        resource.setrlimit(resource.RLIMIT_AS, (most, most))

    def peak_share(self) -> float:
        """Return the peak of memory use as a share of what is allowed."""
        return (self._bytes("VmPeak") - self._at_first) / self._allowed

    def is_left(self) -> bool:
        """Return whether the host has all the memory left up to the limit: if so, it was the limit that was hit."""
        left = self._at_first + self._allowed - self._bytes("VmSize")
        try:
            mmap.mmap(-1, max(left - _SLACK, mmap.PAGESIZE), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
        except OSError:
            return left <= _SLACK
        return True

    def _bytes(self, name: str) -> int:
        self._status.seek(0)
        return status_bytes(self._status.readall(), name)


def status_bytes(status: bytes, name: str) -> int:
    """Return the size `name`, in bytes, from the text of /proc/PID/status."""
    lines = dict(line.split(b":", 1) for line in status.splitlines())
    return int(lines[name.encode()].split()[0]) * 1024


def confine() -> None:
    """Drop the rights to files, sockets, processes, privileges and core dumps; call it after everything is imported.

    The limit of no file descriptors leaves those that are open. A process without rights cannot make namespaces. Where
    the kernel filters no system calls, a limit of no processes takes the right to threads, too: HEICs fail there.
    """
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    limits = [resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE]
    if not system_calls.forbid_processes():
        limits.append(resource.RLIMIT_NPROC)
    for limit in limits:
        resource.setrlimit(limit, (0, 0))


def begin_cpu_time(seconds: float) -> None:
    """Have SIGPROF kill this process after `seconds` more of CPU time; a Python handler would wait for the decoder."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)


def end_cpu_time() -> None:
    """Cancel the limit of CPU time."""
    signal.setitimer(signal.ITIMER_PROF, 0)
