"""Services that run but do not answer: frozen processes, ended connections, networks cut in two."""

import pytest

from faults.trial import Trial, lasts

ROUNDS = 6
BETWEEN_S = 2.0
CUT_S = 15.0
_TERMINATE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname IN ('auth', 'catalog') AND pid <> pg_backend_pid()
"""


@pytest.mark.parametrize(
    ("service", "seconds"),
    [("imaging", 90), ("postgres", 15), ("rabbitmq", 15)],
    ids=["imaging", "postgres", "rabbitmq"],
)
def test_paused(trial: Trial, service: str, seconds: int) -> None:
    trial.pace_s *= max(1, seconds // 15)

    def fault() -> None:
        with trial.stack.paused(service):
            lasts(seconds)

    trial.survives(fault)


def test_database_connections_terminated(trial: Trial) -> None:
    def fault() -> None:
        for _ in range(ROUNDS):
            trial.stack.query("postgres", _TERMINATE)
            lasts(BETWEEN_S)

    trial.survives(fault)


@pytest.mark.parametrize(
    ("network", "services"),
    [
        pytest.param("broker", ["catalog-worker"], id="relay-from-rabbitmq", marks=pytest.mark.short),
        pytest.param("database", ["catalog", "catalog-worker"], id="catalog-from-postgres"),
        pytest.param("web", ["auth"], id="gateway-from-auth"),
        pytest.param("storage", ["imaging"], id="imaging-from-s3"),
    ],
)
def test_cut(trial: Trial, network: str, services: list[str]) -> None:
    def fault() -> None:
        with trial.stack.cut_off(network, *services):
            lasts(CUT_S)

    trial.survives(fault)
