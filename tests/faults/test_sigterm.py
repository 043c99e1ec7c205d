"""SIGTERM under load: no request fails, and every process ends by itself within its grace period.

A request has failed if it was sent and got a 5xx or no answer. A connection that is refused while the only gateway
restarts carries no request. So that nothing else counts as a failure, clients connect anew for each request, and to the
container itself: HTTP lets either side close an idle connection at any moment, and the engine's proxy accepts
connections for a container that is gone.

auth and catalog run with two replicas, of which one is ended: without any the gateway could only answer 503. Of two
gateways behind one address each is ended: a proxy asks the other one where a connection is refused.
"""

from contextlib import nullcontext
from pathlib import Path

import pytest

from faults.stack import address, container, end
from faults.trial import Trial
from nginx import nginx

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
        client.connect_to(address(container("gateway")))

    def fault() -> None:
        with trial.stack.replicas(service, 2) if service in DOUBLED else nullcontext():
            trial.load.wait_for_answers(ANSWERS_MEANWHILE)
            assert trial.stack.end(service) == 0, "it was killed, or has failed"
            trial.stack.start(service)
            trial.stack.wait_until_healthy(service)  # before the other replica is ended, too
            trial.load.wait_for_answers(ANSWERS_MEANWHILE)

    trial.survives(fault, hit={service})


def test_sigterm_of_each_of_two_gateways(trial: Trial, tmp_path: Path) -> None:
    trial.answers_all = True
    first = container("gateway")
    with trial.stack.second_gateway() as second:
        both = "".join(f"server {address(name).removeprefix('http://')} max_fails=0;" for name in (first, second))
        http = f"upstream gateways {{ {both} }} proxy_connect_timeout 1s;"
        server = "location / { proxy_pass http://gateways; proxy_set_header Host $http_host; }"
        with nginx(tmp_path, server, http) as url:
            for client in trial.load.clients:
                client.connect_to(url)

            def fault() -> None:
                assert trial.stack.end("gateway") == 0, "it was killed, or has failed"
                trial.load.wait_for_answers(ANSWERS_MEANWHILE)
                trial.stack.start("gateway")
                trial.stack.wait_until_healthy("gateway")
                assert address(first).removeprefix("http://") in both, "the proxy does not know its new address"
                assert end(second) == 0, "it was killed, or has failed"
                trial.load.wait_for_answers(ANSWERS_MEANWHILE)

            trial.survives(fault, hit={"gateway"})
