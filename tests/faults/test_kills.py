"""SIGKILL, from outside at any moment, and at the checkpoints of the code, where it hurts most."""

import pytest

from faults.trial import Trial


@pytest.mark.parametrize("service", ["gateway", "auth", "catalog", "catalog-worker", "imaging", "rabbitmq", "postgres"])
def test_killed(trial: Trial, service: str) -> None:
    def fault() -> None:
        trial.stack.kill(service)
        trial.stack.start(service)

    trial.survives(fault, hit={service})
