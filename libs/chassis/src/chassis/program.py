"""The program of a service: runs its commands, after it was decided where the metrics of the process are kept."""

import ctypes
import sys
from contextlib import suppress
from pkgutil import resolve_name

from chassis import shared_metrics

_M_MMAP_THRESHOLD = -3  # of glibc's malloc.h
_LARGE = 128 * 1024


def run(commands: str) -> None:
    """Run the commands named as `module:function`, which are imported only then.

    `serve` is several processes, whose metrics are shown at one port. Those of any other command are its own.
    """
    if sys.argv[1:2] == ["serve"]:
        shared_metrics.share()
    else:
        shared_metrics.keep_apart()
    _give_memory_back()
    resolve_name(commands)()


def _give_memory_back() -> None:
    """Have each large piece of memory go back to the system when it is freed, as it is at first.

    By default glibc keeps pieces as large as the largest one so far (mallopt(3), "M_MMAP_THRESHOLD"): the 20 MiB that
    each password takes stayed in the heap of each thread.
    """
    with suppress(AttributeError):  # another C library has no such call
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)
