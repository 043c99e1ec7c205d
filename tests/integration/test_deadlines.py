"""One deadline for a request over all hops: who is told that a change was not made must not find it made later."""

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

import auth.bootstrap
import auth.settings
from auth import use_cases
from auth.adapters.store import Store
from bad_services import Service, silent
from chassis import deadlines
from chassis.database.database import Database
from chassis.deadlines import Deadline
from chassis.errors import CallerGoneError, OutcomeUnknownError
from clients import Answer
from deadlines import until
from processes import children
from web_stack import WebStack

DEADLINE_S = 1.5
SLACK_S = 0.5
_SENDER = b'{"user_id": "anna", "token": "t", "further_tokens": []}'
TOKEN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(_SENDER), _SENDER)


@contextmanager
def stopped(web_stack: WebStack, service: str) -> Iterator[None]:
    """Stop all processes of a service for a while, as a machine does that swaps; their sockets go on accepting."""
    supervisor = web_stack.processes[service].pid
    pids = [supervisor, *children(supervisor)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def refused(web_stack: WebStack) -> list[dict[str, Any]]:
    return [line for line in web_stack.lines("catalog", "request") if line["status"] == 503]


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_change_that_was_answered_503_is_not_made_later(web_stack: WebStack, method: str) -> None:
    web_stack.start_all(DEADLINE_S=str(DEADLINE_S))
    names = [f"c{number}" for number in range(10)]
    anna = web_stack.anna()
    if method == "DELETE":
        for name in names:
            anna.post("/api/collections", json={"name": name})

    def change(name: str) -> Answer:
        client = web_stack.anna()
        if method == "POST":
            return client.post("/api/collections", json={"name": name})
        return client.delete(f"/api/collections/{name}")

    before = anna.get("/api/collections").json()
    with stopped(web_stack, "catalog"), ThreadPoolExecutor(len(names)) as pool:
        answers = list(pool.map(change, names))
    assert {(answer.status, answer.code) for answer in answers} == {(503, "outcome-unknown")}
    # The requests are still in the sockets of catalog: it reads and gives up all of them before it reads this one.
    until(lambda: len(refused(web_stack)) == len(names), 10, "catalog does not read on")
    assert anna.get("/api/collections").json() == before


def dripping(connection: socket.socket) -> None:
    """Answer one byte every 100 ms, for a minute."""
    for byte in TOKEN.replace(b"13", b"600") + b" " * 600:
        connection.sendall(bytes([byte]))
        time.sleep(0.1)


def nonsense(connection: socket.socket) -> None:
    """Answer something that is no HTTP."""
    connection.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")


def html(connection: socket.socket) -> None:
    """Answer as a proxy does that does not reach its upstream."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<p>!")


def no_token(connection: socket.socket) -> None:
    """Answer JSON in which nothing is that was asked for."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]")


def late_token(connection: socket.socket) -> None:
    """Answer with a token when most of the deadline is over."""
    time.sleep(0.7 * DEADLINE_S)
    connection.sendall(TOKEN)


def unauthorized(connection: socket.socket) -> None:
    """Refuse whatever token the request has."""
    body = json.dumps({"code": "token-refused", "status": 401}).encode()
    head = f"HTTP/1.1 401 UNAUTHORIZED\r\nContent-Type: application/problem+json\r\nContent-Length: {len(body)}"
    connection.sendall(head.encode() + b"\r\n\r\n" + body)


BAD = [silent, dripping, nonsense, html]


@pytest.mark.parametrize(
    ("which", "behave"),
    [*(("auth", behave) for behave in [*BAD, no_token]), *(("catalog", behave) for behave in [*BAD, unauthorized])],
)
def test_service_that_answers_late_or_nonsense_is_503_before_the_deadline(
    web_stack: WebStack, which: str, behave: Callable[[socket.socket], None]
) -> None:
    with Service(behave) as service:
        web_stack.start("auth")
        web_stack.start("catalog")
        web_stack.start("gateway", 0, DEADLINE_S=str(DEADLINE_S), **{f"{which.upper()}_URL": service.url})
        for method, target in (("GET", "/api/collections"), ("DELETE", "/api/collections/x")):
            began = time.monotonic()
            answer = web_stack.anna().send(method, target)
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert time.monotonic() - began < DEADLINE_S + SLACK_S
            maybe_done = which == "catalog" and method == "DELETE" and behave is not unauthorized
            assert answer.code == ("outcome-unknown" if maybe_done else "service-unavailable")


def test_all_calls_for_a_request_share_one_deadline(web_stack: WebStack) -> None:
    with Service(late_token) as auth, Service(silent) as catalog:
        web_stack.start("gateway", 0, DEADLINE_S=str(DEADLINE_S), AUTH_URL=auth.url, CATALOG_URL=catalog.url)
        began = time.monotonic()
        assert web_stack.anna().get("/api/collections").status == 503
        assert time.monotonic() - began < DEADLINE_S + SLACK_S
        assert (auth.asked, catalog.asked) == (1, 1)


@pytest.mark.parametrize("which", ["auth", "catalog"])
def test_request_that_was_not_answered_in_time_is_not_sent_again(web_stack: WebStack, which: str) -> None:
    """Repeating it would double the load on a service that is overloaded already."""
    with Service(silent) as service:
        web_stack.start("auth")
        web_stack.start("gateway", 0, DEADLINE_S="0.5", **{f"{which.upper()}_URL": service.url})
        assert web_stack.anna().get("/api/collections").status == 503
        assert service.asked == 1


def test_nothing_is_committed_for_a_caller_who_hung_up_meanwhile(auth_database: Database[Store]) -> None:
    deadlines.set_current(Deadline.after(60, lambda: False))
    try:
        with pytest.raises(CallerGoneError):
            auth_database.transact(use_cases.create_user, "anna", "hash")
    finally:
        deadlines.set_current(None)
    assert not auth_database.read(Store.users)


LOSING_THE_CONNECTION_AT_COMMIT = """
CREATE FUNCTION hang_up() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER hang_up AFTER INSERT ON users DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION hang_up();
"""


def test_outcome_is_unknown_if_the_database_is_lost_during_the_commit(database_url: str) -> None:
    database = auth.bootstrap.make_database(auth.settings.DatabaseSettings(database_url=database_url))
    try:
        database.migrate()
        with database.engine.begin() as connection:
            connection.execute(sa.text(LOSING_THE_CONNECTION_AT_COMMIT))
        with pytest.raises(OutcomeUnknownError) as told:
            database.transact(use_cases.create_user, "anna", "hash")
        assert told.value.code == "outcome-unknown"
    finally:
        database.engine.dispose()
