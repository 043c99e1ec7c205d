"""Everything that a run has started: begun in stages, watched as a whole, ended in reverse, with nothing left."""

import time
from collections.abc import Mapping, Sequence
from typing import NoReturn

from embedded import disk, leftovers
from embedded.child import Child
from embedded.faults import DiskFull, RunFailed
from embedded.home import Home
from embedded.preparation import Preparation
from embedded.ready import Probe, wait_for
from embedded.stage import Stage

WATCH_PAUSE_S = 0.25


class Stack:
    """The processes of one run."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._stages: list[Stage] = []
        self._preparations: list[Preparation] = []

    def start(self, name: str, children: Sequence[Child]) -> None:
        """Start a stage: children that live until the end of the run."""
        stage = Stage(name, children, self._home)
        self._stages.append(stage)
        stage.start()

    def prepare(self, children: Sequence[Child]) -> dict[str, Probe]:
        """Start commands that end by themselves; return for each the probe that says whether it has done its work."""
        probes = {}
        for child in children:
            preparation = Preparation(child, self._home)
            self._preparations.append(preparation)
            probes[child.name] = preparation.is_done
        return probes

    def check(self) -> None:
        """Raise RunFailed if anything has ended by itself or the disk is full."""
        disk.check_while_running(self._home.root)
        for stage in self._stages:
            stage.check()

    def wait(self, probes: Mapping[str, Probe], within_s: float) -> None:
        """Wait until every probe has said yes, and watch meanwhile."""
        wait_for(probes, check=self.check, within_s=within_s)

    def watch(self) -> NoReturn:
        """Stay until something goes wrong or somebody asks for the end."""
        while True:
            self.check()
            time.sleep(WATCH_PAUSE_S)

    def stop(self) -> None:
        """End all of it, the last stage first, and make sure that nothing is left."""
        for preparation in self._preparations:
            preparation.stop()
        for stage in reversed(self._stages):
            stage.stop()
        sessions = [pid for stage in self._stages for pid in stage.pids.values()]
        leftovers.end(self._home, [*sessions, *(preparation.pid for preparation in self._preparations)])


def blame_disk(home: Home, fault: RunFailed) -> None:
    """Raise DiskFull instead of what a full disk led to: a child that could not write ends for no other reason."""
    if not isinstance(fault, DiskFull):
        disk.check_while_running(home.root)
