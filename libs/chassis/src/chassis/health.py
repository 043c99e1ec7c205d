"""Health: /healthz says that the process serves; /readyz that its start, settings and schema are as they must be.

What is shared with other replicas never decides readiness: if it did, all of them would vanish together when it
blinks. It is shown in the body, for people.
"""

from collections.abc import Callable, Mapping

Checks = Mapping[str, Callable[[], bool]]


def examine(own: Checks, shared: Checks) -> tuple[bool, dict[str, object]]:
    """Run the checks; give the verdict, which OWN ones decide, and the document that shows all."""
    own_results, shared_results = _run(own), _run(shared)
    ready = all(own_results.values())
    return ready, {"status": "ready" if ready else "not-ready", "own": own_results, "shared": shared_results}


def _run(checks: Checks) -> dict[str, bool]:
    results = {}
    for name, check in checks.items():
        try:
            results[name] = check()
        except Exception:  # noqa: BLE001 - whatever a check dies of, its answer is no
            results[name] = False
    return results
