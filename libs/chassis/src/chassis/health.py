"""Health: /healthz says that the process serves; /readyz that it has started, and works with the schema it found.

A dependency that all replicas share, such as the database, never decides readiness: a short outage would take all of
them out of service at once. Its state is in the body, for people. Its check is cut off after a while, because a probe
that takes long counts as failed.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Check = Callable[[], bool]
Checks = Mapping[str, Check]


class CheckFailedError(Exception):
    """A check has failed, and the text says why, for people."""


@dataclass(frozen=True)
class Result:
    """Whether a check passed; if not, `reason` says why where that is known."""

    passed: bool
    reason: str = ""


SHARED_TIMEOUT_S = 0.5  # probes time out after a second


def examine(own: Checks, shared: Checks) -> tuple[bool, dict[str, object]]:
    """Run all checks. Return whether the process is ready, which the checks in `own` decide, and a document of all."""
    own_results, shared_results = {name: _run(check) for name, check in own.items()}, _run_in_time(shared)
    ready = all(result.passed for result in own_results.values())
    document: dict[str, object] = {
        "status": "ready" if ready else "not-ready",
        "own": {name: result.passed for name, result in own_results.items()},
        "shared": {name: result.passed for name, result in shared_results.items()},
    }
    if reasons := {name: result.reason for name, result in {**own_results, **shared_results}.items() if result.reason}:
        document["reasons"] = reasons
    return ready, document


def once(check: Check) -> Check:
    """Return a check that, once passed, stays passed, even if a dependency that it needs goes away."""
    passed = threading.Event()

    def checked() -> bool:
        if not passed.is_set() and check():
            passed.set()
        return passed.is_set()

    return checked


def _run_in_time(checks: Checks) -> dict[str, Result]:
    """Run `checks` at the same time; one that takes longer than `SHARED_TIMEOUT_S` has failed."""
    results = dict.fromkeys(checks, Result(passed=False))

    def keep_result(name: str, check: Check) -> None:
        results[name] = _run(check)

    threads = [threading.Thread(target=keep_result, args=item, daemon=True) for item in checks.items()]
    deadline = time.monotonic() + SHARED_TIMEOUT_S
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(results)


def _run(check: Check) -> Result:
    try:
        return Result(check())
    except CheckFailedError as fault:
        return Result(passed=False, reason=str(fault))
    except Exception:  # noqa: BLE001 - a check that raises anything has failed
        return Result(passed=False)
