"""What can end a run, each in words for the person at the terminal."""

import errno
import signal


class RunFailed(Exception):  # noqa: N818 - it says what happened
    """The run cannot start or go on; the message is one clear line, `details` are lines of a log worth showing."""

    def __init__(self, message: str, details: list[str] | None = None) -> None:
        super().__init__(message)
        self.details = details or []


class DiskFull(RunFailed):
    """The state folder's file system has too little room left."""


class StopRequested(BaseException):
    """Somebody asked for the end: Ctrl-C, SIGTERM or a closed terminal. No error, so not an Exception."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


def means_full_disk(fault: BaseException) -> bool:
    """Tell whether an error of the operating system says that there is no room left."""
    return isinstance(fault, OSError) and fault.errno in {errno.ENOSPC, errno.EDQUOT}
