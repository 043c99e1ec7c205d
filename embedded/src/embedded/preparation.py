"""What runs to its end before the services start: migrations and keys, side by side."""

import subprocess

from embedded.child import Child, last_lines
from embedded.faults import RunFailed
from embedded.home import Home


class Preparation:
    """One command that must succeed."""

    def __init__(self, child: Child, home: Home) -> None:
        self._child = child
        self._log = child.log(home)
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", child.shell_line(home)], env=dict(child.environment), cwd=home.run, start_new_session=True
        )
        self.pid = self._process.pid

    def is_done(self) -> bool:
        """Tell whether it has ended well; raise RunFailed if it has ended otherwise."""
        code = self._process.poll()
        if code is None:
            return False
        if code != 0:
            raise RunFailed(f"{self._child.name} failed (exit code {code})", last_lines(self._log))
        return True

    def stop(self) -> None:
        """End it if it still runs."""
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
