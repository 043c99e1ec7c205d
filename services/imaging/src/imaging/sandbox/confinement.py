"""Confinement: what a child gives up before it sees the first picture, and cannot get back."""

import ctypes
import mmap
import resource
import signal
from io import FileIO

_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_SLACK = 4 * 1024 * 1024


class Memory:
    """The address space of this process, bounded to what it has now and ALLOWED_BYTES more."""

    def __init__(self, allowed_bytes: int) -> None:
        # Kept open: nothing can be opened later.
        self._status = FileIO("/proc/self/status")
        self._allowed = allowed_bytes
        self._at_first = self._bytes("VmSize")

    def bound(self) -> None:
        """Set the limit."""
        most = self._at_first + self._allowed
        resource.setrlimit(resource.RLIMIT_AS, (most, most))

    def peak_share(self) -> float:
        """Give the most that was ever used of what is allowed, as a share."""
        return (self._bytes("VmPeak") - self._at_first) / self._allowed

    def is_left(self) -> bool:
        """Tell whether the host gives what is left of the limit: what it refused before was over the limit then."""
        left = self._at_first + self._allowed - self._bytes("VmSize")
        try:
            mmap.mmap(-1, max(left - _SLACK, mmap.PAGESIZE), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
        except OSError:
            return left <= _SLACK
        return True

    def _bytes(self, name: str) -> int:
        self._status.seek(0)
        return bytes_told(self._status.readall(), name)


def bytes_told(status: bytes, name: str) -> int:
    """Read the size NAME from the text of /proc/PID/status, in bytes."""
    lines = dict(line.split(b":", 1) for line in status.splitlines())
    return int(lines[name.encode()].split()[0]) * 1024


def confine() -> None:
    """Give up files, sockets, processes, privileges and core dumps; call it after everything is imported.

    A limit of no descriptors leaves those that are open; a process without rights cannot make namespaces, and a filter
    of system calls would take a library.
    """
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE):
        resource.setrlimit(limit, (0, 0))


def begin_cpu_time(seconds: float) -> None:
    """Let this process be ended by SIGPROF after SECONDS more of CPU time; decoders hold up Python's own handlers."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)


def end_cpu_time() -> None:
    """Stop counting."""
    signal.setitimer(signal.ITIMER_PROF, 0)
