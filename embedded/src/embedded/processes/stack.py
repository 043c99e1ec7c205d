"""All processes of a run: started in stages, watched as a whole, ended in reverse order, with nothing left."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from embedded.home import Home
from embedded.processes import leftovers
from embedded.processes.child import Child
from embedded.processes.guard import Guard
from embedded.processes.process import Process, end
from embedded.processes.ready import Probe, wait_for
from embedded.processes.signals import require_no_stop

WATCH_PAUSE_S = 0.25


class Stack:
    """The processes of one run. `also_check` is called wherever the processes are checked."""

    def __init__(self, home: Home, also_check: Callable[[], None] = lambda: None) -> None:
        self._home = home
        self._also_check = also_check
        self._guard = Guard(home)
        self._stages: list[list[Process]] = []
        self._lasting: list[Process] = []

    def start(self, children: Sequence[Child]) -> list[Process]:
        """Start children that live until the end of the run; return them."""
        started = self._start(children)
        self._lasting += started
        return started

    def prepare(self, children: Sequence[Child]) -> dict[str, Probe]:
        """Start commands that end by themselves; return for each the probe that says whether it has done its work."""
        return {process.name: process.is_done for process in self._start(children)}

    def _start(self, children: Sequence[Child]) -> list[Process]:
        stage: list[Process] = []
        self._stages.append(stage)  # before the first start: a signal may end the run between two starts
        for child in children:
            stage.append(Process(child, self._home))
            self._guard.watch_over(stage[-1].pid)
        return stage

    def check(self) -> None:
        """Raise `StopRequested` after a signal, `RunFailed` if anything has ended by itself or `also_check` says so."""
        require_no_stop()
        self._also_check()
        for process in self._lasting:
            process.check()
        self._guard.check()

    def wait(self, probes: Mapping[str, Probe], within_s: float) -> None:
        """Wait until every probe has returned True, checking the processes meanwhile."""
        wait_for(probes, check=self.check, within_s=within_s)

    def watch(self) -> NoReturn:
        """Watch until a check fails or a signal stops the run."""
        while True:
            self.check()
            time.sleep(WATCH_PAUSE_S)

    def stop(self) -> None:
        """End all of it, the last stage first."""
        for stage in reversed(self._stages):
            end(stage)
        leftovers.end(self._home, [process.pid for stage in self._stages for process in stage])
        self._guard.end()
