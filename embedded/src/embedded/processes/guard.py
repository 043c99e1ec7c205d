"""A process beside the launcher, which ends the children when the launcher was killed by SIGKILL and could not.

It reads the ids of the children from stdin until stdin ends. The kernel closes that pipe when the launcher ends, in
whatever way. The guard is marked as a child itself: the next run ends it first, should it still be at work.
"""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from embedded.faults import RunFailed
from embedded.home import Home
from embedded.processes import leftovers
from embedded.processes.child import base_environment
from embedded.processes.process import in_words

SOURCES = Path(__file__).resolve().parents[2]


class Guard:
    """The launcher's end of the guard."""

    def __init__(self, home: Home) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "embedded.processes.guard", str(home.root)],
            stdin=subprocess.PIPE,
            env=base_environment(home) | {"PYTHONPATH": str(SOURCES)},
            cwd=home.run,
            text=True,
            start_new_session=True,
        )
        self.pid = self._popen.pid

    def watch_over(self, pid: int) -> None:
        """Tell the guard of one more child."""
        with suppress(BrokenPipeError):  # `check` says that the guard is gone
            print(pid, file=self._popen.stdin, flush=True)

    def check(self) -> None:
        """Raise `RunFailed` if the guard has ended."""
        code = self._popen.poll()
        if code is not None:
            raise RunFailed(f"the guard of this run ended unexpectedly ({in_words(code)}); everything is stopped")

    def end(self) -> None:
        """Wait for the end of the guard, which `leftovers.end` has ended with everything else of the run."""
        self._popen.communicate()


def main() -> None:
    """Wait for the end of the launcher, then end everything that it has left."""
    sessions = [int(line) for line in sys.stdin]
    leftovers.end(Home(Path(sys.argv[1])), sessions)


if __name__ == "__main__":
    main()
