"""What a process shows of its database."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from chassis.database import engines
from chassis.database.transactions import attempt, transact
from chassis.errors import DependencyDownError
from chassis.settings import DatabaseSettings
from metric_values import shown


def connections() -> dict[str, float]:
    return {state: shown("imghost_database_connections", state=state) for state in ("used", "idle")}


def test_connections_transactions_and_outages_are_shown(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/test.db"
    engine = engines.connect(DatabaseSettings.model_validate({"database_url": url, "database_pool": 3}))
    before = connections()
    reads, writes = (shown("imghost_database_transaction_duration_seconds_count", access=a) for a in ("read", "write"))
    waits = shown("imghost_database_checkout_duration_seconds_count")

    def look(connection: sa.Connection) -> dict[str, float]:
        connection.execute(sa.text("SELECT 1"))
        return connections()

    assert attempt(engine, look) == {"used": before["used"] + 1, "idle": before["idle"]}
    assert connections() == {"used": before["used"], "idle": before["idle"] + 1}
    transact(engine, look)
    assert connections() == {"used": before["used"], "idle": before["idle"] + 1}
    assert shown("imghost_database_transaction_duration_seconds_count", access="read") == reads + 1
    assert shown("imghost_database_transaction_duration_seconds_count", access="write") == writes + 1
    assert shown("imghost_database_checkout_duration_seconds_count") == waits + 2
    assert shown("imghost_database_connections_limit") == 3
    lost = engine.connect()
    lost.invalidate()
    lost.close()
    assert connections() == before
    engine.dispose()
    assert connections() == before

    outages = shown("imghost_database_faults_total", fault="outage")
    with pytest.raises(DependencyDownError):
        attempt(engine, lambda connection: connection.execute(sa.text("SELECT * FROM nothing")))
    assert shown("imghost_database_faults_total", fault="outage") == outages + 1
    engine.dispose()
