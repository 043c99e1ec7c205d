"""Limits of what a user may send a minute: kept by all processes of auth together, told with every answer."""

import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from threading import Barrier

import pytest
import requests
import sqlalchemy as sa

from auth.adapters.store import Store
from auth.adapters.tables import taken_of_minutes
from auth.errors import RateLimitedError
from auth.rate_limits import REQUESTS, WRITES, RateLimits
from bad_services import Service, silent
from chassis.database.database import Database
from clients import NOTHING, Answer, ValidatingClient, authorization
from deadlines import until
from web_stack import ANNA, WebStack

HEADERS = ("RateLimit-Policy", "RateLimit")
RESTS = re.compile(r'"(\w+)";r=(\d+);t=(\d+)')


def rests(answer: Answer) -> dict[str, int]:
    """Return what an answer says is left of each limit; each minute that it tells of has begun just now."""
    found = RESTS.findall(answer.headers["RateLimit"])
    assert all(1 <= int(ends_in_s) <= 60 for _, _, ends_in_s in found)
    return {name: int(rest) for name, rest, _ in found}


# --- through the gateway ---


def test_key_that_uses_up_its_limits_does_not_keep_the_owner_from_revoking_it(web_stack: WebStack) -> None:
    web_stack.start("auth", WRITES_A_MINUTE="4")
    web_stack.start("catalog")
    web_stack.start("gateway")
    anna = web_stack.anna()
    made = anna.post("/api/api-keys", json={"scopes": ["read"]}).json()
    thief = ValidatingClient(web_stack.url(), made["key"])
    answers = [thief.post("/api/images", json={"s3_key": "a"}).status for _ in range(6)]
    assert answers == [403] * 4 + [429] * 2
    assert anna.delete(made["uri"]).status == 204


def test_request_beyond_the_limit_is_429_and_changes_nothing(web_stack: WebStack) -> None:
    web_stack.start("auth", REQUESTS_A_MINUTE="6", WRITES_A_MINUTE="2")
    web_stack.start("catalog")
    web_stack.start("gateway")
    anna = web_stack.anna()
    policy = '"requests";q=6;w=60, "writes";q=2;w=60'
    for number, (method, target, fields, status, left) in enumerate(
        [
            ("POST", "/api/collections", {"name": "one"}, 201, {"requests": 5, "writes": 1}),
            ("GET", "/api/collections", None, 200, {"requests": 4}),
            # An answer that the gateway itself gives, to a request that is refused, and one of catalog.
            ("GET", "/api/images?nonsense=1", None, 422, {"requests": 3}),
            ("DELETE", "/api/images/none", None, 404, {"requests": 2, "writes": 0}),
        ]
    ):
        answer = anna.send(method, target, json=NOTHING if fields is None else fields)
        assert (number, answer.status) == (number, status)
        assert answer.headers["RateLimit-Policy"] == policy
        assert rests(answer) == left
    for method, target, fields in (
        ("POST", "/api/collections", {"name": "two"}),
        ("POST", "/api/images", {"s3_key": "a"}),
        ("POST", "/api/api-keys", {}),
        ("DELETE", "/api/collections/one", None),
    ):
        refused = anna.send(method, target, json=NOTHING if fields is None else fields)
        assert (refused.status, refused.code) == (429, "rate-limited")
        assert refused.json()["violated-policies"] == ["writes"]
        assert refused.json()["instance"] == target
        assert rests(refused) == {"requests": 2, "writes": 0}
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
    # What was refused does not count.
    assert [found["name"] for found in anna.get("/api/collections").json()] == ["one"]
    assert rests(anna.get("/api/images")) == {"requests": 0}
    refused = anna.head("/api/images")
    assert (refused.status, refused.headers["RateLimit-Policy"]) == (429, policy)
    # What everybody may read is no user's, and wrong credentials are not Anna's.
    assert web_stack.anna().get("/api/c/one").status == 200
    stranger = ValidatingClient(web_stack.url(), (ANNA[0], "wrong"))
    answer = stranger.get("/api/images")
    assert answer.status == 401
    assert not any(name in answer.headers for name in HEADERS)


def test_without_limits_there_are_no_headers_and_no_counts(web_stack: WebStack) -> None:
    web_stack.start_all()
    answer = web_stack.anna().post("/api/collections", json={"name": "one"})
    assert answer.status == 201
    assert not any(name in answer.headers for name in HEADERS)


def test_two_gateways_and_all_processes_of_auth_share_a_limit(web_stack: WebStack) -> None:
    web_stack.start("auth", WRITES_A_MINUTE="12", WEB_PROCESSES="3")
    web_stack.start("catalog")
    web_stack.start("gateway", 0, WEB_PROCESSES="2")
    begin = Barrier(6)

    def write(number: int) -> list[int]:
        client = web_stack.anna()
        begin.wait()
        statuses = [client.post("/api/collections", json={"name": f"c{number}-{n}"}).status for n in range(10)]
        client.close()
        return statuses

    assert web_stack.anna().get("/api/collections").status == 200  # so that the password is known
    with ThreadPoolExecutor(6) as pool:
        statuses = [status for each in pool.map(write, range(6)) for status in each]
    assert (statuses.count(201), statuses.count(429)) == (12, 48)
    assert len(web_stack.anna().get("/api/collections").json()) == 12


def test_password_of_who_sends_too_much_counts_as_right(web_stack: WebStack) -> None:
    """A source with wrong passwords would be refused while auth is busy with others, and so would all behind it."""
    problem = json.dumps({"code": "rate-limited", "status": 429}).encode()
    head = b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/problem+json\r\nConnection: close\r\n\r\n"
    hangs = False

    def behave(connection: socket.socket) -> None:
        if hangs:
            silent(connection)
        else:
            connection.sendall(head + problem)

    with Service(behave) as auth:
        web_stack.start("gateway", 0, AUTH_URL=auth.url, PASSWORD_CHECKS="1", DEADLINE_S="3")
        headers = {"Authorization": authorization(ANNA)}
        for _ in range(8):
            assert requests.get(f"{web_stack.url()}/api/images", headers=headers, timeout=10).status_code == 429
        hangs, asked = True, auth.asked
        other = {"Authorization": authorization(("bert", "another password"))}
        with ThreadPoolExecutor(2) as pool:
            pool.submit(requests.get, f"{web_stack.url()}/api/images", headers=other, timeout=10)
            until(lambda: auth.asked == asked + 1, 2, "auth is not asked")
            pool.submit(requests.get, f"{web_stack.url()}/api/images", headers=headers, timeout=10)
            until(lambda: auth.asked == asked + 2, 2, "the password is not taken for right")


# --- the leases ---


def admitted(limits: RateLimits, user_id: str = "anna", *, writes: bool = False, most: int = 10_000) -> int:
    """Send up to `most` requests until one is refused; return how many passed."""
    for number in range(most):
        try:
            limits.admit(user_id, "key", writes=writes)
        except RateLimitedError:
            return number
    return most


@contextmanager
def counted(database: Database[Store]) -> Iterator[list[str]]:
    """Yield the statements that are executed in the body."""
    statements: list[str] = []

    def note(_c: object, _d: object, statement: str, *_: object) -> None:
        statements.append(statement)

    sa.event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        sa.event.remove(database.engine, "before_cursor_execute", note)


def test_a_request_takes_no_write_but_once_in_a_while(auth_database: Database[Store]) -> None:
    limits = RateLimits(auth_database, {REQUESTS: 1000})
    with counted(auth_database) as statements:
        assert admitted(limits, most=100) == 100
    assert sum("taken_of_minutes" in statement for statement in statements) == 1
    with counted(auth_database) as statements:
        assert admitted(limits) == 900
    assert sum("taken_of_minutes" in statement for statement in statements) < 60
    with counted(auth_database) as statements:
        assert [admitted(limits) for _ in range(100)] == [0] * 100
    assert statements == []


def test_several_processes_never_admit_more_than_the_limit(auth_database: Database[Store]) -> None:
    processes = [RateLimits(auth_database, {REQUESTS: 300}) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        passed = list(pool.map(admitted, processes * 2))
    assert sum(passed) == 300


def test_what_an_idle_process_has_taken_is_at_most_an_eighth(auth_database: Database[Store]) -> None:
    first, second = (RateLimits(auth_database, {REQUESTS: 800}) for _ in range(2))
    assert admitted(first, most=1) == 1
    assert admitted(second) == 700
    assert admitted(first) == 99


def test_limit_below_a_share_is_used_up_by_ones(auth_database: Database[Store]) -> None:
    processes = [RateLimits(auth_database, {WRITES: 3}) for _ in range(3)]
    assert [admitted(limits, writes=True, most=1) for limits in processes] == [1, 1, 1]
    assert [admitted(limits, writes=True) for limits in processes] == [0, 0, 0]
    assert [admitted(limits, most=9) for limits in processes] == [9, 9, 9]


def test_refused_write_takes_nothing_of_the_requests(auth_database: Database[Store]) -> None:
    limits = RateLimits(auth_database, {REQUESTS: 5, WRITES: 1})
    assert admitted(limits, writes=True) == 1
    assert admitted(limits, writes=True) == 0
    assert admitted(limits) == 4


def test_limits_are_of_each_user(auth_database: Database[Store]) -> None:
    limits = RateLimits(auth_database, {REQUESTS: 3})
    assert [admitted(limits, name) for name in ("anna", "bert", "anna")] == [3, 3, 0]


def test_minute_ends_for_all_processes(auth_database: Database[Store]) -> None:
    length = timedelta(seconds=2)
    processes = [RateLimits(auth_database, {REQUESTS: 10}, length) for _ in range(3)]
    began = time.monotonic()
    assert sum(map(admitted, processes)) == 10
    with pytest.raises(RateLimitedError) as refused:
        processes[0].admit("anna", "key", writes=False)
    wait_s = int(refused.value.headers["Retry-After"])
    assert 1 <= wait_s <= 2
    until(lambda: time.monotonic() - began >= wait_s + 1, 5, "time stands still")
    assert sum(map(admitted, processes)) == 10


def test_lease_is_not_used_in_the_next_minute(auth_database: Database[Store]) -> None:
    length = timedelta(seconds=5)
    first, second = (RateLimits(auth_database, {REQUESTS: 80}, length) for _ in range(2))
    assert admitted(first, most=1) == 1  # has nine more, which end with the minute
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 5.1, 10, "time stands still")
    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(admitted, (second, first))) == 80


def test_one_who_comes_a_moment_late_does_not_begin_the_minute_again(
    auth_database: Database[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two take of the same minute at once: whoever has looked at the clock first may write last."""
    length = timedelta(seconds=60)
    auth_database.transact(Store.take_of_minute, "anna", REQUESTS, 10, length)
    moment = auth_database.read(Store.now) - timedelta(milliseconds=500)
    monkeypatch.setattr(Store, "now", lambda _: moment)
    assert auth_database.transact(Store.take_of_minute, "anna", REQUESTS, 10, length).count == 20


def test_minute_ends_although_the_clock_was_put_back(auth_database: Database[Store]) -> None:
    limits = RateLimits(auth_database, {REQUESTS: 3})
    assert admitted(limits) == 3
    with auth_database.engine.begin() as connection:
        ends = connection.scalars(sa.select(taken_of_minutes.c.date_ends)).one()
        connection.execute(taken_of_minutes.update().values(date_ends=ends + timedelta(hours=1)))
    assert admitted(RateLimits(auth_database, {REQUESTS: 3})) == 3


def test_requests_pass_while_no_count_can_be_written(auth_database: Database[Store]) -> None:
    limits = RateLimits(auth_database, {REQUESTS: 5, WRITES: 2})
    with auth_database.engine.begin() as connection:
        taken_of_minutes.drop(connection)
    with counted(auth_database) as statements:
        told = [limits.admit("anna", "key", writes=True) for _ in range(20)]
    assert told == [{"RateLimit-Policy": '"requests";q=5;w=60, "writes";q=2;w=60'}] * 20
    assert sum("taken_of_minutes" in statement for statement in statements) == 1


def test_minutes_that_are_over_are_deleted(auth_database: Database[Store]) -> None:
    admitted(
        RateLimits(auth_database, {REQUESTS: 3, WRITES: 3}, timedelta(microseconds=1)), "anna", writes=True, most=1
    )
    admitted(RateLimits(auth_database, {REQUESTS: 3}), "bert")
    auth_database.transact(Store.forget_minutes)
    with auth_database.engine.connect() as connection:
        assert set(connection.scalars(sa.select(taken_of_minutes.c.user_id))) == {"bert"}


def test_memory_is_of_the_users_of_the_last_minutes_only(auth_database: Database[Store]) -> None:
    limits = RateLimits(auth_database, {REQUESTS: 3}, timedelta(milliseconds=50))
    for number in range(20):
        limits.admit(f"user-{number}", "key", writes=False)
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 0.2, 5, "time stands still")
    limits.admit("anna", "key", writes=False)
    assert {user_id for user_id, _ in limits._of_user} == {"anna"}  # noqa: SLF001
