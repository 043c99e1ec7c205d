"""A child that runs: started in a session of its own, so that neither Ctrl-C nor a closed terminal reaches it."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress

from embedded.faults import RunFailed, means_full_disk
from embedded.home import Home
from embedded.processes.child import Child, last_lines

TERMINATE_PATIENCE_S = 5.0


class Process:
    """A started child. `pid` is also the id of its session and of its process group."""

    def __init__(self, child: Child, home: Home) -> None:
        self.name = child.name
        self._log = child.log(home)
        try:
            with self._log.open("ab") as output:
                self._popen = subprocess.Popen(
                    child.command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=child.environment,
                    cwd=home.run,  # files that a child drops in its working directory must not lie in the repository
                    start_new_session=True,
                )
        except OSError as fault:
            if means_full_disk(fault):
                raise
            raise RunFailed(f"{child.name} cannot be started: {fault.strerror}; everything is stopped") from fault
        self.pid = self._popen.pid

    @property
    def is_running(self) -> bool:
        """Return whether it has not ended yet."""
        return self._popen.poll() is None

    def check(self) -> None:
        """Raise `RunFailed` if it has ended."""
        code = self._popen.poll()
        if code is not None:
            raise RunFailed(
                f"{self.name} ended unexpectedly ({in_words(code)}); everything is stopped", self.last_lines
            )

    def is_done(self) -> bool:
        """Return whether it has ended with exit code 0. Raise `RunFailed` if it has ended in another way."""
        code = self._popen.poll()
        if code:
            raise RunFailed(f"{self.name} failed ({in_words(code)})", self.last_lines)
        return code == 0

    @property
    def last_lines(self) -> list[str]:
        """Return the end of its log."""
        return last_lines(self._log)

    def send(self, signum: int) -> None:
        """Send a signal to its whole process group, if it has not ended yet."""
        if self.is_running:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signum)

    def wait(self) -> None:
        """Wait for its end."""
        self._popen.wait()


def end(processes: Sequence[Process]) -> None:
    """End all of them at once: send SIGTERM, and SIGKILL to those that are still there after some seconds."""
    for process in processes:
        process.send(signal.SIGTERM)
    deadline = time.monotonic() + TERMINATE_PATIENCE_S
    while any(process.is_running for process in processes) and time.monotonic() < deadline:
        time.sleep(0.02)
    for process in processes:
        process.send(signal.SIGKILL)
        process.wait()


def in_words(code: int) -> str:
    """Return an exit code of `subprocess` as a person would say it."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
