"""Health: /healthz says that the process serves; /readyz that its start, settings and schema are as they must be.

What is shared with other replicas never decides readiness: if it did, all of them would vanish together when it
blinks. It is shown in the body, for people, and not waited for: a probe that takes long has failed too.
"""

import threading
import time
from collections.abc import Callable, Mapping

Check = Callable[[], bool]
Checks = Mapping[str, Check]

SHARED_PATIENCE_S = 0.5  # probes wait for a second


def examine(own: Checks, shared: Checks) -> tuple[bool, dict[str, object]]:
    """Run the checks; give the verdict, which OWN ones decide, and the document that shows all."""
    own_results, shared_results = {name: _passes(check) for name, check in own.items()}, _run_in_time(shared)
    ready = all(own_results.values())
    return ready, {"status": "ready" if ready else "not-ready", "own": own_results, "shared": shared_results}


def once(check: Check) -> Check:
    """Make a check that stays passed: of a start that is over, done with the help of what may blink later."""
    passed = threading.Event()

    def checked() -> bool:
        if not passed.is_set() and check():
            passed.set()
        return passed.is_set()

    return checked


def _run_in_time(checks: Checks) -> dict[str, bool]:
    """Run CHECKS side by side; the answer of one that takes longer than SHARED_PATIENCE_S is no."""
    results = dict.fromkeys(checks, False)

    def run(name: str, check: Check) -> None:
        results[name] = _passes(check)

    threads = [threading.Thread(target=run, args=item, daemon=True) for item in checks.items()]
    deadline = time.monotonic() + SHARED_PATIENCE_S
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(results)


def _passes(check: Check) -> bool:
    try:
        return check()
    except Exception:  # noqa: BLE001 - whatever a check dies of, its answer is no
        return False
