"""Machines whose clocks differ: up to a minute it has no effect, beyond that the log says so."""

import os
import re
import subprocess
import sys
import time

import pytest
import sqlalchemy as sa

import auth.bootstrap
import auth.settings
from auth import throttle, use_cases
from auth.adapters.store import Store
from auth.adapters.tables import outbox
from chassis.database import outbox as chassis_outbox
from chassis.envelope import Event
from clients import ValidatingClient
from embedded.parts.ports import free_ports
from web_stack import ANNA, CLOCKS, WebStack
from whole_stack import scrape, total


@pytest.mark.parametrize("clock_s", [-58, 58])
def test_a_minute_apart_is_not_noticed(web_stack: WebStack, clock_s: int) -> None:
    web_stack.start("auth", clock_s)
    web_stack.start("catalog")
    web_stack.start("gateway")
    anna = web_stack.anna()
    assert anna.get("/api/images").status == 200
    assert anna.post("/api/collections", json={"name": "holidays"}).status == 201
    assert anna.get("/api/api-keys").status == 200


@pytest.mark.parametrize("clock_s", [-180, 180])
def test_more_than_that_is_503_with_a_line_that_names_the_clocks(web_stack: WebStack, clock_s: int) -> None:
    (ops,) = free_ports(1, besides=tuple(web_stack.ports.values()))
    web_stack.start("auth", clock_s)
    web_stack.start("catalog", OPS_HOST="127.0.0.1", OPS_PORT=str(ops))
    web_stack.start("gateway")
    answer = web_stack.anna().get("/api/images")
    assert (answer.status, answer.code) == (503, "service-unavailable")
    assert total(scrape(ops)["imghost_clocks_apart_total"], "_total") == 1
    assert int(answer.headers["Retry-After"]) > 0
    (line,) = web_stack.lines("catalog", "the clocks of auth and this service are apart")
    assert abs(line["ahead_s"] - clock_s) <= 5
    assert re.match(r"\d{4}-\d\d-\d\dT", line["auths_clock"])
    assert re.match(r"\d{4}-\d\d-\d\dT", line["own_clock"])
    # What needs one clock only still works: wrong credentials are told from right ones.
    assert web_stack.anna().get("/api/api-keys").status == 200
    assert ValidatingClient(web_stack.url(), (ANNA[0], "wrong")).get("/api/images").status == 401


def test_good_credentials_are_never_401_where_a_service_has_another_key(web_stack: WebStack) -> None:
    public = web_stack.folder / "public.pem"
    former = public.read_bytes()
    (web_stack.folder / "private.pem").unlink()
    web_stack.make_keys()
    public.write_bytes(former)  # as where catalog has another volume than auth
    web_stack.start("catalog")
    web_stack.start("auth")
    web_stack.start("gateway")
    answer = web_stack.anna().get("/api/images")
    assert (answer.status, answer.code) == (503, "service-unavailable")
    assert web_stack.lines("catalog", "token refused")
    assert web_stack.lines("gateway", "service refuses the token that auth has just signed")


# What another replica sees, whose clock is ahead.
LOOKING = """
import sys
from datetime import datetime, timezone
import sqlalchemy as sa
from auth import throttle
from auth.adapters.store import Store
from auth.adapters.tables import outbox
from auth.errors import TooManyAttemptsError
from chassis.database.outbox import lease
with sa.create_engine(sys.argv[1]).begin() as connection:
    print(datetime.now(timezone.utc).timestamp(), len(lease(connection, outbox)))
    try:
        store = Store(connection)
        throttle.refuse_blocked(store, store.failures(sys.argv[2]))
        print("let in")
    except TooManyAttemptsError as fault:
        print("held back for", fault.headers["Retry-After"])
"""


def test_replicas_whose_clocks_are_apart_keep_to_each_others_leases_and_delays(database_url: str) -> None:
    database = auth.bootstrap.make_database(auth.settings.DatabaseSettings(database_url=database_url))
    subject, everywhere = throttle.account_subject("anna", "192.0.2.1"), throttle.source_subject("192.0.2.1")
    try:
        database.migrate()
        with database.engine.begin() as connection:
            chassis_outbox.add(connection, outbox, Event("user.deleted", "/auth", "s", "r", {}))
        with database.engine.begin() as connection:
            assert len(chassis_outbox.lease(connection, outbox)) == 1
            for _ in range(5):
                throttle.note_wrong_password(Store(connection), subject, everywhere, free=1, longest_s=20)
    finally:
        database.engine.dispose()
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CLOCKS), "CLOCK_AHEAD_S": "58"}
    words = [sys.executable, "-c", LOOKING, database_url, subject]
    said = subprocess.run(words, env=environment, check=True, capture_output=True, text=True, timeout=60).stdout
    clock_and_leased, throttled = said.splitlines()
    clock_s, leased = clock_and_leased.split()
    assert float(clock_s) - time.time() > 50, "the other clock is not ahead"
    assert leased == "0", "the rows of another relay are taken"
    assert throttled.startswith("held back for")
    assert 1 <= int(throttled.rpartition(" ")[2]) <= 20


def test_times_are_in_utc_whatever_the_time_zone_of_the_database(database_url: str) -> None:
    database = auth.bootstrap.make_database(auth.settings.DatabaseSettings(database_url=database_url))
    try:
        database.migrate()
        with database.engine.begin() as connection:
            name = connection.engine.url.database
            connection.execute(sa.text(f"ALTER DATABASE {name} SET timezone TO 'Europe/Berlin'"))
        database.engine.dispose()
        made = database.transact(use_cases.create_user, "anna", "hash")
        found = database.read(Store.user, "anna")
        assert found is not None
        assert found.date_created.isoformat() == made.date_created.isoformat()
    finally:
        database.engine.dispose()
