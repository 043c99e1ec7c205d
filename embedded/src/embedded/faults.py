"""The exceptions that end a run, with messages for the person at the terminal."""

import errno
import signal


class RunFailed(Exception):  # noqa: N818 - it says what happened
    """The run cannot start or go on. The message is one line; `details` are lines of a log to show below it."""

    def __init__(self, message: str, details: list[str] | None = None) -> None:
        super().__init__(message)
        self.details = details or []


class DiskFull(RunFailed):
    """The state folder's file system has too little room left."""


class StopRequested(BaseException):
    """Ctrl-C, SIGTERM or a closed terminal. Not an `Exception`, since it is no error."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


def means_full_disk(fault: BaseException) -> bool:
    """Return whether an error of the operating system says that the disk or the quota is full."""
    return isinstance(fault, OSError) and fault.errno in {errno.ENOSPC, errno.EDQUOT}
