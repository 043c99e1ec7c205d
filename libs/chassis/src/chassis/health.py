"""Health: /healthz says that the process serves; /readyz that its start, settings and schema are as they must be.

What is shared with other replicas never decides readiness: if it did, all of them would vanish together when it
blinks. It is shown in the body, for people, and not waited for: a probe that takes long has failed too.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Check = Callable[[], bool]
Checks = Mapping[str, Check]


class CheckFailedError(Exception):
    """The answer of a check is no, and its text says why, to people."""


@dataclass(frozen=True)
class Result:
    """The answer of a check, and why, if it is no and that is known."""

    passed: bool
    why: str = ""


SHARED_PATIENCE_S = 0.5  # probes wait for a second


def examine(own: Checks, shared: Checks) -> tuple[bool, dict[str, object]]:
    """Run the checks; give the verdict, which OWN ones decide, and the document that shows all."""
    own_results, shared_results = {name: _ask(check) for name, check in own.items()}, _run_in_time(shared)
    ready = all(result.passed for result in own_results.values())
    document: dict[str, object] = {
        "status": "ready" if ready else "not-ready",
        "own": {name: result.passed for name, result in own_results.items()},
        "shared": {name: result.passed for name, result in shared_results.items()},
    }
    if reasons := {name: result.why for name, result in {**own_results, **shared_results}.items() if result.why}:
        document["reasons"] = reasons
    return ready, document


def once(check: Check) -> Check:
    """Make a check that stays passed: of a start that is over, done with the help of what may blink later."""
    passed = threading.Event()

    def checked() -> bool:
        if not passed.is_set() and check():
            passed.set()
        return passed.is_set()

    return checked


def _run_in_time(checks: Checks) -> dict[str, Result]:
    """Run CHECKS side by side; the answer of one that takes longer than SHARED_PATIENCE_S is no."""
    results = dict.fromkeys(checks, Result(passed=False))

    def run(name: str, check: Check) -> None:
        results[name] = _ask(check)

    threads = [threading.Thread(target=run, args=item, daemon=True) for item in checks.items()]
    deadline = time.monotonic() + SHARED_PATIENCE_S
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(results)


def _ask(check: Check) -> Result:
    try:
        return Result(check())
    except CheckFailedError as fault:
        return Result(passed=False, why=str(fault))
    except Exception:  # noqa: BLE001 - whatever a check dies of, its answer is no
        return Result(passed=False)
