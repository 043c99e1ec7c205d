"""Wait for conditions, with a deadline, while the rest of the run is checked."""

import time
from collections.abc import Callable, Mapping

import requests

from embedded.faults import RunFailed

Probe = Callable[[], bool]
PAUSE_S = 0.1


def wait_for(probes: Mapping[str, Probe], *, check: Callable[[], None], within_s: float) -> None:
    """Return when every probe has returned True once. Raise `RunFailed`, which names the others, after `within_s`.

    `check` is called before each try; what it raises ends the wait.
    """
    deadline = time.monotonic() + within_s
    waiting = dict(probes)
    while True:
        check()
        waiting = {name: probe for name, probe in waiting.items() if not probe()}
        if not waiting:
            return
        if time.monotonic() > deadline:
            raise RunFailed(f"{', '.join(waiting)}: not ready within {within_s:.0f} s; everything is stopped")
        time.sleep(PAUSE_S)


def answers_ok(url: str) -> Probe:
    """Return the probe that is True if a GET of `url` is answered with success."""

    def probe() -> bool:
        with requests.Session() as session:
            session.trust_env = False
            try:
                return session.get(url, timeout=2).ok
            except requests.RequestException:
                return False

    return probe
