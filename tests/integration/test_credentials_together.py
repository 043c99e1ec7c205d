"""Requests with credentials that come at the same time: auth and catalog are asked about several, each as if alone."""

import json
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from flask.testing import FlaskClient

from auth import bootstrap, use_cases
from auth.adapters.store import Store
from auth.adapters.tables import api_keys
from auth.authentication import Authenticator, Policy
from auth.domain import User, mark_of
from auth.passwords import Verifier, hash_password
from auth.rate_limits import REQUESTS, WRITES, RateLimits
from auth.web import app as of_auth
from catalog.adapters.store import Store as CatalogStore
from catalog.bootstrap import App
from catalog.web import app as of_catalog
from catalog_steps import ANNA, BERT, BUCKETS, Steps
from chassis import token_keys, tokens
from chassis.clock import now
from chassis.database.database import Database
from chassis.token_keys import SigningKeys
from chassis.tokens import Principal
from chassis.web.paging import PAGE_BYTES
from clients import authorization
from databases import PASSWORD as CORRECT
from metric_values import shown
from s3 import serving
from web_stack import WebStack

READERS, EACH = 16, 40
HERE = "192.0.2.1"
PASSWORD = "berts password"


@pytest.fixture
def signing_keys(tmp_path: Path) -> SigningKeys:
    token_keys.create_files(tmp_path / "private", tmp_path / "public")
    return SigningKeys(tmp_path / "private")


# --- auth ---


@pytest.fixture
def auth(auth_database: Database[Store], signing_keys: SigningKeys) -> FlaskClient:
    authenticator = Authenticator(auth_database, Verifier(2, 9, 5, 10), Policy(3, 300, 1000, 100))
    limits = RateLimits(auth_database, {REQUESTS: 8000, WRITES: 32})
    return of_auth.make_flask(bootstrap.App(auth_database, authenticator, signing_keys, limits)).test_client()


def new_key(database: Database[Store], user: User, expires_at: Any = None, scopes: Any = None) -> str:
    caller = Principal(user.user_id, user.username, "password", credential_mark=mark_of(user.password_hash))
    more = {"scopes": scopes} if scopes else {}
    return database.transact(use_cases.create_key, caller, "", expires_at=expires_at, **more)[1]


def question(authorization: str | None, method: str = "GET", count: int = 1) -> dict[str, Any]:
    return {"authorization": authorization, "source": HERE, "audience": "catalog", "method": method, "count": count}


def ask_auth(auth: FlaskClient, *asked: dict[str, Any]) -> list[Any]:
    answer = auth.post("/tokens/together", json={"asked": asked, "requests": ["one"]})
    assert answer.status_code == 200
    found: list[Any] = answer.get_json()
    return found


def test_keys_are_exchanged_for_the_tokens_that_each_would_get_alone(
    auth: FlaskClient, auth_database: Database[Store], anna: User
) -> None:
    first, second = new_key(auth_database, anna), new_key(auth_database, anna, now() + timedelta(days=1), ["read"])
    asked = [question(f"Bearer {first}"), question(authorization(("", second))), question(f"Bearer {first}", "DELETE")]
    for each in asked:  # their first use is noted, and so are leases of their limits
        assert auth.post("/tokens", json=each).status_code == 200
    for each, entry in zip(asked, ask_auth(auth, *asked), strict=True):
        alone = auth.post("/tokens", json=each)
        told, of_alone = entry["document"], alone.get_json()
        assert {**told, "token": ""} == {**of_alone, "token": ""}
        assert jwt.decode(told["token"], options={"verify_signature": False})["key"] == told["key_id"]
        assert set(entry["headers"]) == {"ratelimit-policy", "ratelimit"}
        assert entry["headers"]["ratelimit-policy"] == alone.headers["RateLimit-Policy"]


def test_what_is_refused_has_to_be_asked_about_alone_and_is_nobody_elses(
    auth: FlaskClient, auth_database: Database[Store], anna: User
) -> None:
    key = f"Bearer {new_key(auth_database, anna)}"
    unused, revoked = new_key(auth_database, anna), new_key(auth_database, anna)
    expired = new_key(auth_database, anna, now() + timedelta(days=1))
    for each in (key, f"Bearer {revoked}", f"Bearer {expired}"):  # their first use is noted
        auth.post("/tokens", json=question(each))
    auth_database.transact(Store.delete_key, revoked.split("_")[1])
    with auth_database.engine.begin() as connection:
        of_expired = api_keys.update().where(api_keys.c.key_id == expired.split("_")[1])
        connection.execute(of_expired.values(expires_at=now() - timedelta(seconds=1)))
    with_password = authorization(("anna", CORRECT))
    wrong = [
        f"Bearer {unused}",
        f"Bearer {revoked}",
        f"Bearer {expired}",
        with_password,
        "Bearer x",
        "",
        None,
        key[:-1],
    ]
    asked = [question(one) for each in wrong for one in (key, each)]
    answers = ask_auth(auth, *asked[:12])
    assert [entry is not None for entry in answers] == [True, False] * 6
    assert {entry["document"]["user_id"] for entry in answers[::2]} == {anna.user_id}


def test_requests_that_come_together_are_counted_each(
    auth: FlaskClient, auth_database: Database[Store], anna: User
) -> None:
    key = f"Bearer {new_key(auth_database, anna)}"
    auth.post("/tokens", json=question(key, "PUT"))  # takes a lease of four writes
    ok = shown("imghost_authentications_total", outcome="ok")
    answers = ask_auth(
        auth, *[question(key, "PUT") for _ in range(5)], question(key, count=0), question(key, count=9000)
    )
    # What a lease at hand is not enough for has to be written, and is asked about alone.
    assert [entry is not None for entry in answers] == [True] * 3 + [False] * 2 + [True, False]
    assert '"requests";r=7996' in answers[2]["headers"]["ratelimit"]
    assert shown("imghost_authentications_total", outcome="ok") - ok == 4
    alone = [auth.post("/tokens", json=question(key, "PUT")).status_code for _ in range(29)]
    assert alone == [200] * 28 + [429]
    assert ask_auth(auth, question(key, "PUT")) == [None]


def test_keys_of_a_disabled_user_are_asked_about_alone(
    auth: FlaskClient, auth_database: Database[Store], anna: User
) -> None:
    key = f"Bearer {new_key(auth_database, anna)}"
    auth.post("/tokens", json=question(key))
    auth_database.transact(Store.disable_user, anna.user_id, now())
    assert ask_auth(auth, question(key)) == [None]
    assert auth.post("/tokens", json=question(key)).status_code == 403


def test_password_is_answered_as_alone_while_it_is_remembered(auth: FlaskClient, anna: User) -> None:
    right = question(authorization(("anna", CORRECT)))
    assert ask_auth(auth, right) == [None]  # nobody has sent it yet
    alone = auth.post("/tokens", json=right)
    wrong = [
        authorization(("anna", "another")),
        authorization(("anna", CORRECT + "\0")),
        authorization(("nobody", CORRECT)),
        authorization(("", CORRECT)),
        authorization(("an\0na", CORRECT)),
    ]
    asked = [question(one) for each in wrong for one in (right["authorization"], each)]
    answers = ask_auth(auth, *asked, {**right, "source": "198.51.100.1"})
    assert [entry is not None for entry in answers] == [True, False] * len(wrong) + [False]
    assert {entry["document"]["user_id"] for entry in answers[:-1:2]} == {anna.user_id}
    for entry in answers[:-1:2]:
        assert {**entry["document"], "token": ""} == {**alone.get_json(), "token": ""}
        assert jwt.decode(entry["document"]["token"], options={"verify_signature": False})["method"] == "password"
        assert entry["headers"]["ratelimit-policy"] == alone.headers["RateLimit-Policy"]


@pytest.mark.parametrize("happens", ["failure", "change", "disabled", "deleted", "renamed"])
def test_remembered_password_is_asked_about_alone_after_a_change(
    auth: FlaskClient, auth_database: Database[Store], anna: User, happens: str
) -> None:
    right = question(authorization(("anna", CORRECT)))
    assert auth.post("/tokens", json=right).status_code == 200
    assert ask_auth(auth, right) != [None]
    match happens:
        case "failure":
            assert auth.post("/tokens", json=question(authorization(("anna", "another")))).status_code == 401
            assert ask_auth(auth, {**right, "source": "198.51.100.1"}) == [None]
        case "change":
            auth_database.transact(Store.set_password_hash, anna.user_id, hash_password("another"))
        case "disabled":
            auth_database.transact(Store.disable_user, anna.user_id, now())
        case "deleted":
            auth_database.transact(Store.delete_user, anna.user_id)
        case "renamed":
            auth_database.transact(Store.rename_user, anna.user_id, "other")
    assert ask_auth(auth, right) == [None]


@pytest.mark.parametrize(
    "wrong",
    [{"asked": [question("a")] * 65}, {"asked": "a"}, {"asked": ["a"]}, {"requests": None}, {"more": 1}],
    ids=["too many", "no list", "no questions", "no requests", "unknown"],
)
def test_wrong_questions_are_refused(auth: FlaskClient, wrong: dict[str, Any]) -> None:
    assert auth.post("/tokens/together", json={"asked": [], "requests": [], **wrong}).status_code == 422


# --- catalog ---


@pytest.fixture
def catalog(catalog_database: Database[CatalogStore], signing_keys: SigningKeys) -> FlaskClient:
    app = App(catalog_database, BUCKETS, None, signing_keys, PAGE_BYTES)
    return of_catalog.make_flask(app).test_client()


def test_each_caller_gets_their_own_images_only(catalog: FlaskClient, steps: Steps, signing_keys: SigningKeys) -> None:
    steps.register("annas", ANNA)
    steps.register("berts", BERT)

    def sent(who: Principal, audience: str = "catalog") -> str:
        return f"Bearer {tokens.sign(signing_keys.signing(), audience, who)}"

    reader = replace(BERT, method="key", scopes=frozenset({"read"}), key_id="a" * 16)
    writer = replace(reader, scopes=frozenset({"write"}))
    asked = [
        (sent(ANNA), "annas", True),
        (sent(reader), "annas", False),
        (sent(reader), "berts", True),
        (sent(writer), "berts", False),
        (sent(BERT, "auth"), "berts", False),
        ("", "berts", False),
        (sent(ANNA), "berts", False),
        (sent(ANNA), "\0", False),
        (sent(ANNA), "annas", True),
    ]
    body = {
        "s3_keys": [key for _, key, _ in asked],
        "tags": [None] * len(asked),
        "authorizations": [authorization for authorization, _, _ in asked],
        "requests": [],
    }
    answer = catalog.post("/own-images", json=body)
    head, _, rest = answer.data.partition(b"\n")
    for (told, key, is_shown), entry in zip(asked, json.loads(head), strict=True):
        alone = catalog.get("/image", query_string={"s3_key": key}, headers={"Authorization": told})
        assert (entry is not None, alone.status_code == 200) == (is_shown, is_shown)
        if entry is not None:
            assert (f'"{entry[0]}"', rest[: entry[1]]) == (alone.headers["ETag"], alone.data)
            rest = rest[entry[1] :]
    assert rest == b""
    fewer = {**body, "s3_keys": ["annas"], "tags": [None]}
    assert catalog.post("/own-images", json=fewer).status_code == 422


# --- the gateway before both ---


def test_what_many_ask_for_with_keys_is_answered_as_if_each_had_asked_alone(web_stack: WebStack) -> None:
    web_stack.start("auth", KEY_FAILURES_A_MINUTE="10000")
    web_stack.run("auth", "create-user", "bert", "--password-stdin", answer=PASSWORD)
    web_stack.start("catalog")
    web_stack.start("gateway", WEB_PROCESSES="1")
    url = web_stack.url()
    keys: dict[str, str] = {}
    passwords = [("anna", "annas password"), ("bert", PASSWORD)]
    for user in passwords:
        made = [requests.post(f"{url}/api/api-keys", auth=user, json={}, timeout=30).json() for _ in range(3)]
        keys |= {each["key"]: user[0] for each in made}
        requests.delete(url + made[2]["uri"], auth=user, timeout=30)  # this one is revoked
        for number in range(3):
            requests.post(f"{url}/api/images", auth=user, json={"s3_key": f"{user[0]}/{number}"}, timeout=30)
    nobody = next(iter(keys))[:-1] + "2"

    def ask(authorization: str, path: str, known: str | None) -> tuple[Any, ...]:
        headers = {"Authorization": authorization, **({"If-None-Match": known} if known else {})}
        answer = requests.get(url + path, headers=headers, timeout=30)
        body = answer.json() if answer.content else None
        if isinstance(body, dict):
            body.pop("request_id", None)
        return answer.status_code, answer.headers.get("ETag"), body

    paths = [f"/api/images/{name}/{number}" for name in ("anna", "bert") for number in range(4)]
    paths += ["/api/stats", "/api/collections"]
    authorizations = [*(f"Bearer {key}" for key in (*keys, nobody)), *(authorization(user) for user in passwords)]
    choices: list[tuple[str, str, str | None]] = [(each, path, None) for each in authorizations for path in paths]
    alone = {choice: ask(*choice) for choice in choices}
    for (each, path, _), (status, tag, _) in list(alone.items()):
        if tag:
            alone[each, path, tag] = ask(each, path, tag)
            assert (status, alone[each, path, tag][0]) == (200, 304)
    assert {answer[0] for answer in alone.values()} == {200, 304, 401, 404}

    def read(seed: int) -> list[Any]:
        chosen = random.Random(seed)
        asked = [chosen.choice(list(alone)) for _ in range(EACH)]
        got = [(choice, ask(*choice)) for choice in asked]
        return [(choice, answer, alone[choice]) for choice, answer in got if answer != alone[choice]]

    with ThreadPoolExecutor(READERS) as readers:
        assert list(readers.map(read, range(READERS))) == [[]] * READERS
    for service, route in (("auth", "/tokens/together"), ("catalog", "/own-images")):
        together = [line["requests"] for line in web_stack.lines(service, "request") if line["route"] == route]
        assert max(map(len, together)) > 1, service  # how many depends on how fast the machine is


def test_key_is_refused_as_soon_as_it_is_revoked_however_many_ask(web_stack: WebStack) -> None:
    web_stack.start_all()
    anna, url, ended = web_stack.anna(), web_stack.url(), threading.Event()
    busy, revoked = (anna.post("/api/api-keys", json={}).json() for _ in range(2))

    def ask(key: str) -> int:
        return requests.get(f"{url}/api/stats", headers={"Authorization": f"Bearer {key}"}, timeout=30).status_code

    def keep_busy(_: int) -> set[int]:
        found = set()
        while not ended.is_set():
            found.add(ask(busy["key"]))
        return found

    with ThreadPoolExecutor(12) as clients:
        others = clients.map(keep_busy, range(11))
        try:
            assert {ask(revoked["key"]) for _ in range(20)} == {200}
            assert anna.delete(revoked["uri"]).status == 204
            assert {ask(revoked["key"]) for _ in range(20)} == {401}
        finally:
            ended.set()
        assert set().union(*others) == {200}


def test_password_is_refused_as_soon_as_it_is_changed_however_many_ask(web_stack: WebStack) -> None:
    web_stack.start_all()
    web_stack.run("auth", "create-user", "bert", "--password-stdin", answer=PASSWORD)
    url, ended = web_stack.url(), threading.Event()

    def ask(username: str, password: str) -> int:
        return requests.get(f"{url}/api/stats", auth=(username, password), timeout=30).status_code

    def keep_busy(_: int) -> set[int]:
        found = set()
        while not ended.is_set():
            found.add(ask("anna", "annas password"))
        return found

    with ThreadPoolExecutor(12) as clients:
        others = clients.map(keep_busy, range(11))
        try:
            assert {ask("bert", PASSWORD) for _ in range(20)} == {200}
            web_stack.run("auth", "set-password", "bert", "--password-stdin", answer="another password")
            assert {ask("bert", PASSWORD) for _ in range(3)} == {401}
            assert {ask("bert", "another password") for _ in range(20)} == {200}
        finally:
            ended.set()
        assert set().union(*others) == {200}
    together = [line["requests"] for line in web_stack.lines("auth", "request") if line["route"] == "/tokens/together"]
    assert max(map(len, together)) > 1


class Standing:
    """A server in place of auth, whose first call hangs until `go_on`; it answers about several with `wrong`."""

    def __init__(self, status: int, wrong: bytes) -> None:
        self.go_on = threading.Event()
        self.asked: list[str] = []
        standing = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                standing.asked.append(self.path)
                if len(standing.asked) == 1:
                    standing.go_on.wait(20)
                if self.path == "/tokens":
                    self.send(200, json.dumps({"token": "t", "further_tokens": [], "user_id": "u", "key_id": "k"}))
                else:
                    self.send(status, wrong.decode())

            def send(self, status: int, body: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def do_GET(self) -> None:
                self.send(200, "{}")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.handler = Handler


@contextmanager
def gateway_before(standing: Standing, stack: WebStack) -> Iterator[str]:
    with serving(standing.handler) as url:
        try:
            stack.start("gateway", AUTH_URL=url, CATALOG_URL=url, WEB_PROCESSES="1", SLOW_REQUEST_S="0.000001")
            yield stack.url()
        finally:
            standing.go_on.set()


@pytest.mark.parametrize(
    ("status", "wrong"),
    [
        (404, b"{}"),
        (500, b"{}"),
        (200, b""),
        (200, b"{}"),
        (200, b"[]"),
        (200, b"[1]"),
        (200, b"[null, null]"),
        (200, b'[{"document": {}}]'),
        (200, b'[{"document": {"token": "of another"}, "headers": {}}, {"document": {}, "headers": {}}]'),
    ],
)
def test_nonsense_about_several_keys_lets_nobody_in(web_stack: WebStack, status: int, wrong: bytes) -> None:
    """An earlier release of auth does not know the question. Each is asked about alone then."""
    standing = Standing(status, wrong)
    with gateway_before(standing, web_stack) as url, ThreadPoolExecutor(2) as clients:
        headers = {"Authorization": "Bearer imgh_" + "a" * 16 + "_" + "b" * 39}
        hanging = clients.submit(requests.get, f"{url}/api/stats", headers=headers, timeout=30)
        while not standing.asked:
            time.sleep(0.01)
        assert requests.get(f"{url}/api/stats", headers=headers, timeout=30).status_code == 200
        assert standing.asked == ["/tokens", "/tokens/together", "/tokens"]
        assert not hanging.done()
        standing.go_on.set()
        assert hanging.result().status_code == 200


def test_auth_that_lacks_something_is_asked_once(web_stack: WebStack) -> None:
    """Alone, each would wait for its database once more; whoever waits is told why a request was slow."""
    standing = Standing(503, b"{}")
    with gateway_before(standing, web_stack) as url, ThreadPoolExecutor(2) as clients:
        headers = {"Authorization": "Bearer imgh_" + "a" * 16 + "_" + "b" * 39}
        hanging = clients.submit(requests.get, f"{url}/api/stats", headers=headers, timeout=30)
        while not standing.asked:
            time.sleep(0.01)
        answer = requests.get(f"{url}/api/stats", headers=headers, timeout=30)
        assert (answer.status_code, answer.json()["code"]) == (503, "service-unavailable")
        assert standing.asked == ["/tokens", "/tokens/together"]
        [line] = (line for line in web_stack.lines("gateway", "slow request") if line["status"] == 503)
        assert "auth" in line["waited_ms"]
        standing.go_on.set()
        assert hanging.result().status_code == 200
