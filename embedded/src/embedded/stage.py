"""A group of children that starts and ends together, under a runner of its own (see `runner`)."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from embedded import proc
from embedded.child import Child, base_environment, last_lines
from embedded.faults import RunFailed
from embedded.home import Home

STARTED = re.compile(r"^(?P<name>\S+) started \(pid=(?P<pid>\d+)\)$")
STOPPED = re.compile(r"^(?P<name>\S+) stopped \(rc=(?P<code>-?\d+)\)$")
START_PATIENCE_S = 3.0
STOP_PATIENCE_S = 7.0
"""honcho kills what is left 5 s after the first child has ended."""


def _in_words(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


class Stage:
    """Children under one runner; each child is the leader of a session."""

    def __init__(self, name: str, children: Sequence[Child], home: Home) -> None:
        self._name = name
        self._children = {child.name: child for child in children}
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None
        self._rest = b""
        self._first_stopped: tuple[str, int] | None = None
        self._watchers: dict[str, int] = {}
        self._is_broken = False
        self.pids: dict[str, int] = {}

    def start(self) -> None:
        """Start all children, in no order."""
        orders = [
            {"name": child.name, "command": child.shell_line(self._home), "environment": dict(child.environment)}
            for child in self._children.values()
        ]
        environment = base_environment(self._home) | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}
        with (self._home.logs / f"runner-{self._name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "embedded.runner", str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                cwd=self._home.run,  # what a child drops where it stands must not lie in the repository
                start_new_session=True,
            )
        os.set_blocking(self._pipe(self._process.stdout).fileno(), False)
        with self._pipe(self._process.stdin) as stdin:
            stdin.write(json.dumps(orders).encode())

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        if pipe is None:
            raise ValueError("a stage talks to its runner through pipes")
        return pipe

    def _listen(self) -> None:
        if self._process is None:
            return
        *lines, self._rest = (self._rest + (self._pipe(self._process.stdout).read() or b"")).split(b"\n")
        for line in lines:
            text = line.decode("utf-8", "replace").strip()
            if started := STARTED.match(text):
                self._note_start(started["name"], int(started["pid"]))
            elif (stopped := STOPPED.match(text)) and self._first_stopped is None:
                self._first_stopped = (stopped["name"], int(stopped["code"]))

    def _note_start(self, name: str, pid: int) -> None:
        self.pids[name] = pid
        if status := proc.status(pid):
            self._watchers[name] = status.parent

    @property
    def has_started(self) -> bool:
        """Tell whether every child has been started."""
        self._listen()
        return self.pids.keys() >= self._children.keys()

    def check(self) -> None:
        """Raise RunFailed if a child, or the runner itself, has ended."""
        if self._process is None:
            return
        self._listen()
        if self._first_stopped is not None:
            name, code = self._first_stopped
            log = self._children[name].log(self._home)
            raise RunFailed(f"{name} ended unexpectedly ({_in_words(code)}); everything is stopped", last_lines(log))
        code_of_runner = self._process.poll()
        if code_of_runner is not None:
            names = ", ".join(self._children)
            raise RunFailed(f"the runner of {names} ended ({_in_words(code_of_runner)}); everything is stopped")
        for name, watcher in self._watchers.items():
            # honcho has a process beside each child, and waits for ever for the word of one that was killed.
            status = proc.status(self.pids[name])
            if status and status.parent != watcher:
                self._is_broken = True
                raise RunFailed(f"what watches over {name} ended unexpectedly; everything is stopped")

    def stop(self) -> None:
        """End all children: SIGTERM, SIGKILL after 5 s. What a broken runner leaves is for `leftovers`."""
        if self._process is None:
            return
        # honcho loses children if it is told to end before it knows all of them.
        deadline = time.monotonic() + START_PATIENCE_S
        while not self.has_started and self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        try:
            self._process.terminate()
            self._process.wait(0 if self._is_broken else STOP_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listen()
        self._pipe(self._process.stdout).close()
        self._process = None
