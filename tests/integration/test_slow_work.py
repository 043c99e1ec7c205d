"""Slow requests and statements are logged with what they waited for; a collector that is away slows nothing down."""

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from chassis.database import engines
from chassis.database.transactions import transact
from chassis.errors import DependencyDownError
from chassis.settings import DatabaseSettings
from web_stack import WebStack


def slow(lines: list[Any], event: str) -> dict[str, Any]:
    (line,) = (line for line in lines if line["event"] == event)
    return dict(line)


# --- statements ---


@contextmanager
def held(engine: sa.Engine, lock: Callable[[sa.Connection], object], for_s: float) -> Iterator[None]:
    """Hold what `lock` locks, for a while that begins now."""
    locked = threading.Event()

    def hold(connection: sa.Connection) -> None:
        lock(connection)
        locked.set()
        time.sleep(for_s)

    holding = threading.Thread(target=transact, args=(engine, hold))
    holding.start()
    assert locked.wait(10)
    yield
    holding.join()


@pytest.fixture
def things(any_database_url: str) -> Iterator[sa.Engine]:
    settings = {"database_url": any_database_url, "slow_statement_s": 0.4}
    made = engines.connect(DatabaseSettings.model_validate(settings))
    with made.begin() as connection:
        connection.execute(sa.text("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT)"))
        connection.execute(sa.text("INSERT INTO things VALUES (1, 'a')"))
    yield made
    made.dispose()


def rename(connection: sa.Connection, name: str = "a secret") -> None:
    connection.execute(sa.text("UPDATE things SET name =\n :name WHERE id = 1"), {"name": name})


def test_slow_statement_is_logged_with_the_lock_that_it_waited_for(things: sa.Engine) -> None:
    with capture_logs() as lines, held(things, rename, 1.0):
        transact(things, rename)
    line = slow(lines, "slow statement")
    if things.dialect.name == "postgresql":
        assert line["statement"].startswith("UPDATE things SET name = ")
        assert line["waited_for"] == "Lock: transactionid"
        assert len(line["blocked_by"]) == 1
    else:
        assert (line["statement"], line["waited_for"]) == ("BEGIN IMMEDIATE", "the write lock")
    assert 400 <= line["ms"] < 10_000
    assert "secret" not in str(lines)


@pytest.mark.parametrize("any_database_url", ["postgresql"], indirect=True)  # those of SQLite have no time-out
def test_statement_that_fails_after_a_while_is_logged_too(things: sa.Engine) -> None:
    def wait(connection: sa.Connection) -> None:
        connection.execute(sa.text("SET LOCAL statement_timeout = 700"))
        connection.execute(sa.text("SELECT pg_sleep(5)"))

    with capture_logs() as lines, pytest.raises(DependencyDownError):
        transact(things, wait)
    line = slow(lines, "slow statement")
    assert (line["error"], line["waited_for"]) == ("QueryCanceled", "Timeout: PgSleep")


def test_quick_statements_are_not_logged(things: sa.Engine) -> None:
    with capture_logs() as lines:
        transact(things, rename)
    assert lines == []


# --- requests ---


def test_slow_request_is_logged_with_what_it_waited_for(web_stack: WebStack) -> None:
    for service in ("auth", "catalog", "gateway"):
        web_stack.start(service, SLOW_REQUEST_S="0.000001")
    assert web_stack.anna().get("/api/images").status == 200
    waited = {
        service: slow(web_stack.lines(service, "slow request"), "slow request") for service in web_stack.processes
    }
    assert {name: set(line["waited_ms"]) for name, line in waited.items()} == {
        "auth": {"database connection", "database read", "password hashing"},
        "catalog": {"database connection", "database read"},
        "gateway": {"auth", "catalog", "turn for a password"},
    }
    line = waited["gateway"]
    assert (line["level"], line["route"], line["client"]) == ("warning", "/api/images", "127.0.0.1")
    assert 0 < line["waited_ms"]["auth"] + line["waited_ms"]["catalog"] <= line["ms"]


# --- collectors ---


def test_collector_that_hangs_or_is_away_slows_no_request_down_and_keeps_no_process_from_ending(
    web_stack: WebStack,
) -> None:
    small = {"OTEL_BSP_MAX_QUEUE_SIZE": "8", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "4", "OTEL_BSP_SCHEDULE_DELAY": "10"}
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.create_server(("127.0.0.1", 0)) as closed:
        hanging, away = (f"http://127.0.0.1:{each.getsockname()[1]}" for each in (silent, closed))
        closed.close()
        web_stack.start("auth")
        web_stack.shared = {"OTEL_EXPORTER_OTLP_ENDPOINT": away, **small}
        web_stack.start("catalog")
        web_stack.shared = {"OTEL_EXPORTER_OTLP_ENDPOINT": hanging, **small}
        web_stack.start("gateway")
        anna, took_s = web_stack.anna(), []
        for _ in range(200):
            began = time.monotonic()
            assert anna.get("/api/i/none.jpg").status == 404
            took_s.append(time.monotonic() - began)
        assert sorted(took_s)[100] < 0.1
        assert max(took_s) < 2
        for service in ("gateway", "catalog"):
            process = web_stack.processes.pop(service)
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0
            lines = web_stack.lines(service, "Queue full, dropping Span.")
            assert len(lines) == 1, "a line for each span that is dropped, or none"
