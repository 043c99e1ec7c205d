"""SIGTERM under load: no request fails, and every process ends by itself within its grace period.

A request has failed if it was sent and got a 5xx or no answer. A connection that is refused while the only gateway
restarts carries no request. So that nothing else counts as a failure, clients connect anew for each request, and to the
container itself: HTTP lets either side close an idle connection at any moment, and the engine's proxy accepts
connections for a container that is gone.

auth and catalog run with two replicas, of which one is ended: without any the gateway could only answer 503.
"""

from contextlib import nullcontext

import pytest

from faults.stack import address
from faults.trial import Trial

ANSWERS_MEANWHILE = 30
DOUBLED = {"auth", "catalog"}


@pytest.mark.parametrize(
    "service",
    [
        "gateway",
        "auth",
        "auth-worker",
        pytest.param("catalog", marks=pytest.mark.short),
        "catalog-worker",
        "imaging",
    ],
)
def test_sigterm(trial: Trial, service: str) -> None:
    trial.answers_all = True
    for client in trial.load.clients:
        client.connect_to(address("gateway"))

    def fault() -> None:
        with trial.stack.replicas(service, 2) if service in DOUBLED else nullcontext():
            trial.load.wait_for_answers(ANSWERS_MEANWHILE)
            assert trial.stack.end(service) == 0, "it was killed, or has failed"
            trial.stack.start(service)
            trial.stack.wait_until_healthy(service)  # before the other replica is ended, too
            trial.load.wait_for_answers(ANSWERS_MEANWHILE)

    trial.survives(fault, hit={service})
