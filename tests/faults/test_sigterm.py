"""SIGTERM under load: no request fails, and every process ends by itself within its grace.

A request has failed if it was sent and its answer is a 5xx or none at all. A connection that is refused, while the only
gateway starts again, carries no request. For the same reason the clients make a connection for each request, and make
it to the container itself: an engine's own proxy takes connections for a container that is gone, and a connection that
lies idle may be closed by either side at any moment, as HTTP has it.

Of auth and catalog two replicas run, of which one is ended: with none at all the gateway can only answer 503.
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
            trial.load.wait_for_answers(ANSWERS_MEANWHILE)

    trial.survives(fault, hit={service})
