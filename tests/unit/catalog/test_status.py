"""`catalog status` shows what can be seen, whatever is away, and in a form that people read at a glance."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from catalog.adapters.operators_store import OperatorsStore
from catalog.bootstrap import MIGRATIONS
from catalog.domain import Failures, OpenWork
from catalog.settings import DatabaseSettings
from catalog.upkeep import status
from catalog.upkeep.status import Part, Status
from catalog.upkeep.status_command import document, lines
from chassis.broker.depths import Depth, Depths
from chassis.database import engines
from chassis.database.database import Database

NOW = datetime(2026, 11, 26, 20, 10, tzinfo=UTC)
WORK = OpenWork(3, NOW - timedelta(seconds=4), 240, NOW - timedelta(minutes=5), 16, None, 2, {"worker-crashes": 2}, NOW)
UP = Part(is_up=True, ms=3.2, version="0.1.0", requests=100.0, server_errors=1.0)


def shown(found: Status, before: Status | None = None) -> str:
    return "\n".join(lines(found, before))


def test_parts_that_are_away_hide_none_of_the_others(tmp_path: Path) -> None:
    engine = engines.connect(DatabaseSettings.model_validate({"database_url": f"sqlite:///{tmp_path}/none/none.db"}))
    depths = Depths("amqp://127.0.0.1:1/%2F")
    found = status.look(Database(engine, OperatorsStore, MIGRATIONS), depths, {"gateway": ["http://127.0.0.1:1"]})
    assert {name: part.is_up for name, part in found.parts.items()} == dict.fromkeys(found.parts, False)
    assert set(found.parts) == {"database", "broker", "gateway"}
    assert "unable to open database file" in found.parts["database"].problem
    assert "Connection refused" in found.parts["gateway"].problem
    assert not found.is_well
    assert shown(found).count("DOWN") == 3
    assert document(found)["work"] is None


def test_ages_are_told_in_the_unit_that_fits() -> None:
    text = shown(Status(NOW, {"database": UP}, WORK))
    assert [line.split()[-2:] for line in text.splitlines() if "outbox" in line or "pending" in line] == [
        ["4", "s"],
        ["5", "min"],
    ]
    assert "worker-crashes" in text


def test_problem_of_a_process_that_is_up_is_told_too() -> None:
    found = Status(NOW, {"imaging": Part(is_up=True, ms=1, problem="s3: pics: NoSuchBucket")})
    assert not found.is_well
    assert "s3: pics: NoSuchBucket" in shown(found)


def test_watching_shows_requests_a_second_and_how_many_of_them_failed() -> None:
    before = Status(NOW - timedelta(seconds=2), {"gateway": UP})
    later = Part(is_up=True, ms=3.2, version="0.1.0", requests=120.0, server_errors=3.0)
    assert "10.0 requests/s, 1.0 of them 5xx" in shown(Status(NOW, {"gateway": later}), before)
    assert "requests/s" not in shown(Status(NOW, {"gateway": later}))


@pytest.mark.parametrize("key", ["a\x1b[2Jb", "a\nb", "ä" * 400])
def test_no_key_disturbs_the_terminal(key: str) -> None:
    failures = [Failures("malformed", 1, NOW, key)]
    text = shown(Status(NOW, {}, failures=failures, queues={"imaging.jobs": Depth(1, 2, 3, 4)}))
    assert all(line.isprintable() and len(line) < 110 for line in text.split("\n"))


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"own": 1, "shared": {}}', b"\xff"])
def test_answer_that_is_none_of_ours_is_told(body: bytes) -> None:
    assert status._problem(body) == "answers something else than the state of a process of imghost"  # noqa: SLF001
