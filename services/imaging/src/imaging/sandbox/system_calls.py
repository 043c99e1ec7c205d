"""System calls that a child gives up for good, by a filter of the kernel (seccomp, BPF).

A child may make threads, without which libde265 decodes nothing, but no processes, which a limit of processes would
count as the same; and it may not touch other processes of the same user, of which its parent is one.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from dataclasses import dataclass

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_LOAD, _RETURN, _IF_EQUAL, _IF_AT_LEAST, _IF_SET = 0x20, 0x06, 0x15, 0x35, 0x45
_CALL_AT, _ARCHITECTURE_AT, _ARGUMENT_AT = 0, 4, 16  # offsets in struct seccomp_data; of the first argument
_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000
_CLONE_THREAD = 0x00010000
# Calls of x86-64's second ABI (x32) have this bit set, and other numbers.
_OTHER_ABI = 0x40000000
_MOST_OF_32_BITS = 2**32

_Instruction = tuple[int, int, int, int]  # code, how many to skip if true, if false, operand


@dataclass(frozen=True)
class _Architecture:
    """The numbers of an architecture (linux/audit.h, asm/unistd.h); `forbidden` calls always fail."""

    audit: int
    clone: int
    clone3: int
    tgkill: int
    forbidden: tuple[int, ...]


# Forbidden are: fork, vfork, execve, execveat, unshare, ptrace, process_vm_readv, process_vm_writev, kill, tkill,
# rt_sigqueueinfo, rt_tgsigqueueinfo.
_ARCHITECTURES = {
    "x86_64": _Architecture(
        0xC000003E, 56, 435, 234, forbidden=(57, 58, 59, 322, 272, 101, 310, 311, 62, 200, 129, 297)
    ),
    # Without fork and vfork.
    "aarch64": _Architecture(0xC00000B7, 220, 435, 131, forbidden=(221, 281, 97, 117, 270, 271, 129, 130, 138, 240)),
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def forbid_processes() -> bool:
    """Forbid this process for good to make processes and to touch others; it has to have given up new privileges.

    Return whether the kernel does so. It may not, and of some architectures the numbers are not known here.
    """
    architecture = _ARCHITECTURES.get(platform.machine())
    if architecture is None or sys.maxsize < _MOST_OF_32_BITS:
        return False
    instructions = b"".join(struct.pack("=HBBI", *each) for each in _filter(architecture, os.getpid()))
    program = _Program(len(instructions) // 8, instructions)
    prctl = ctypes.CDLL(None).prctl
    return bool(prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0) == 0)


def _filter(architecture: _Architecture, pid: int) -> list[_Instruction]:
    """Return the filter: what it says by its first `_RETURN` on the way is done."""
    refuse = (_RETURN, 0, 0, _FAIL | errno.EPERM)
    allow = (_RETURN, 0, 0, _ALLOW)
    return [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_IF_EQUAL, 1, 0, architecture.audit),
        (_RETURN, 0, 0, _KILL),  # of 32 bits, where numbers mean other calls
        (_LOAD, 0, 0, _CALL_AT),
        *((_IF_AT_LEAST, 0, 1, _OTHER_ABI), refuse),
        *(step for call in architecture.forbidden for step in ((_IF_EQUAL, 0, 1, call), refuse)),
        # Its flags lie in memory, which a filter cannot read: the C library then uses clone.
        *((_IF_EQUAL, 0, 1, architecture.clone3), (_RETURN, 0, 0, _FAIL | errno.ENOSYS)),
        *((_IF_EQUAL, 0, 4, architecture.clone), (_LOAD, 0, 0, _ARGUMENT_AT), (_IF_SET, 1, 0, _CLONE_THREAD)),
        *(refuse, allow),
        # abort() sends a signal to its own process.
        *((_IF_EQUAL, 0, 4, architecture.tgkill), (_LOAD, 0, 0, _ARGUMENT_AT), (_IF_EQUAL, 1, 0, pid)),
        *(refuse, allow),
        allow,
    ]
