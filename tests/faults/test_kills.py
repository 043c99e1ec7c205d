"""SIGKILL: from outside at any moment, and at the fault-injection points of the code, between two non-atomic steps."""

import secrets

import pytest

from chassis import checkpoints
from deadlines import until
from faults.trial import Trial

STRIKE_S = 20.0


@pytest.mark.parametrize(
    "service",
    [
        "gateway",
        "auth",
        "catalog",
        "catalog-worker",
        "imaging",
        pytest.param("rabbitmq", marks=pytest.mark.short),
        pytest.param("postgres", marks=pytest.mark.short),
    ],
)
def test_killed(trial: Trial, service: str) -> None:
    def fault() -> None:
        trial.stack.kill(service)
        trial.stack.start(service)

    trial.survives(fault, hit={service})


def strike(trial: Trial, service: str, checkpoint: str) -> None:
    """Kill the next process of a service to reach a checkpoint; the engine or gunicorn starts another."""
    with trial.stack.armed(service, checkpoint, "die") as file:
        until(lambda: not file.exists(), STRIKE_S, f"no process of {service} reaches {checkpoint}")


@pytest.mark.short
def test_catalog_killed_between_commit_and_answer(trial: Trial) -> None:
    trial.survives(lambda: strike(trial, "catalog", checkpoints.COMMITTED))


def test_auth_killed_between_commit_and_answer(trial: Trial) -> None:
    user = trial.stack.new_user()
    description = secrets.token_hex(8)

    def fault() -> None:
        with trial.stack.armed("auth", checkpoints.COMMITTED, "die"):
            assert user.post("/api/api-keys", json={"description": description}).status == 503

    trial.survives(fault)
    assert [key["description"] for key in user.get("/api/api-keys").json()] == [description]
    user.close()


@pytest.mark.short
def test_relay_killed_after_confirm_before_marking(trial: Trial) -> None:
    trial.survives(lambda: strike(trial, "catalog-worker", checkpoints.CONFIRMED), hit={"catalog-worker"})


def test_catalog_worker_killed_after_commit_before_ack(trial: Trial) -> None:
    trial.survives(lambda: strike(trial, "catalog-worker", checkpoints.VERDICT_APPLIED), hit={"catalog-worker"})


@pytest.mark.short
def test_imaging_killed_after_thumbs_before_result(trial: Trial) -> None:
    trial.survives(lambda: strike(trial, "imaging", checkpoints.WRITTEN), hit={"imaging"})


def test_imaging_killed_after_result_before_ack(trial: Trial) -> None:
    trial.survives(lambda: strike(trial, "imaging", checkpoints.VERDICT_APPLIED), hit={"imaging"})
