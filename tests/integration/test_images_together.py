"""Public images that many ask for at the same time: one call to catalog for several, the same answer for each."""

import json
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from flask.testing import FlaskClient

from catalog.adapters.store import Store
from catalog.bootstrap import App
from catalog.web.app import make_flask
from catalog_steps import BUCKETS, Steps
from chassis import token_keys
from chassis.database.database import Database
from chassis.token_keys import SigningKeys
from chassis.web.paging import PAGE_BYTES
from s3 import serving
from web_stack import WebStack

KEYS = ["plain.jpg", "a folder/größe?.jpg", "bär/%2e.png", "x" * 900, "quo\"te'.jpg"]
MISSING = ["none.jpg", "t512/x.jpg", "bad\u0001"]
READERS, EACH = 16, 60


def public(key: str) -> str:
    return "/api/i/" + quote(key, safe="/")


# --- catalog ---


@pytest.fixture
def catalog(catalog_database: Database[Store], tmp_path: Path) -> FlaskClient:
    token_keys.create_files(tmp_path / "private", tmp_path / "public")
    return make_flask(App(catalog_database, BUCKETS, None, SigningKeys(tmp_path / "private"), PAGE_BYTES)).test_client()


def ask_together(catalog: FlaskClient, keys: list[str], tags: list[str | None]) -> tuple[list[Any], bytes]:
    body = json.dumps({"s3_keys": keys, "tags": tags, "requests": ["one", "two"]})
    answer = catalog.post("/public/images", data=body, content_type="application/json")
    assert answer.status_code == 200
    head, _, rest = answer.data.partition(b"\n")
    return json.loads(head), rest


def test_each_image_is_answered_byte_for_byte_as_alone(catalog: FlaskClient, steps: Steps) -> None:
    for key in KEYS:
        steps.register(key)
    steps.processed(steps.image(KEYS[1]))
    asked = [*KEYS, *MISSING, KEYS[0], "\0", "\ud800"]
    head, rest = ask_together(catalog, asked, [None] * len(asked))
    for key, entry in zip(asked, head, strict=True):
        if key in KEYS:
            alone = catalog.get("/public/image", query_string={"s3_key": key})
            assert (f'"{entry[0]}"', rest[: entry[1]]) == (alone.headers["ETag"], alone.data)
            rest = rest[entry[1] :]
        else:
            assert entry is None
    assert rest == b""


def test_image_that_is_known_is_not_shown_again(catalog: FlaskClient, steps: Steps) -> None:
    for key in ("a", "b", "c"):
        steps.register(key)
    [(tag, _), *_], _ = ask_together(catalog, ["a", "b"], [None, None])
    [known, other, unknown], rest = ask_together(catalog, ["a", "b", "c"], [tag, tag, None])
    assert known == [tag, None]
    assert other[1] + unknown[1] == len(rest)


@pytest.mark.parametrize(
    "wrong",
    [{"s3_keys": ["a"] * 65}, {"s3_keys": "a"}, {"tags": [1]}, {"tags": []}, {"requests": None}, {"more": 1}],
    ids=["too many", "no list", "no tags", "too few tags", "no requests", "unknown"],
)
def test_wrong_list_is_refused(catalog: FlaskClient, wrong: dict[str, Any]) -> None:
    asked = {"s3_keys": ["a"], "tags": [None], "requests": [], **wrong}
    assert catalog.post("/public/images", json=asked).status_code == 422


# --- the gateway before catalog ---


def test_what_many_ask_for_is_answered_as_if_each_had_asked_alone(web_stack: WebStack) -> None:
    web_stack.start("auth")
    web_stack.start("catalog")
    web_stack.start("gateway", PUBLIC_CACHE_BYTES="0", WEB_PROCESSES="1")
    anna = web_stack.anna()
    for key in KEYS:
        anna.post("/api/images", json={"s3_key": key, "title": key[:50]})
    url, tags = web_stack.url(), {}

    def ask(key: str, known: str | None) -> tuple[Any, ...]:
        headers = {"If-None-Match": known} if known else {}
        answer = requests.get(url + public(key), headers=headers, timeout=30)
        body = {**answer.json(), "request_id": None} if answer.status_code == 404 else answer.content
        kept = {name: value for name, value in answer.headers.items() if name not in {"Date", "X-Request-ID"}}
        kept.pop("Content-Length", None)
        ids.append(answer.headers["X-Request-ID"])
        return answer.status_code, kept, body

    ids: list[str] = []
    for key in KEYS:
        tags[key] = requests.get(url + public(key), timeout=30).headers["ETag"]
    choices: list[tuple[str, str | None]] = [(key, None) for key in (*KEYS, *MISSING)]
    choices += [(key, known) for key in KEYS for known in (tags[key], '"0"', f'"0", {tags[key]}', "*", 'W/"0"')]
    alone = {choice: ask(*choice) for choice in choices}
    assert {answer[0] for answer in alone.values()} == {200, 304, 404}

    def read(seed: int) -> list[Any]:
        chosen = random.Random(seed)
        asked = [chosen.choice(choices) for _ in range(EACH)]
        return [choice for choice in asked if ask(*choice) != alone[choice]]

    with ThreadPoolExecutor(READERS) as readers:
        assert list(readers.map(read, range(READERS))) == [[]] * READERS
    lines = web_stack.lines("catalog", "request")
    together = [line["requests"] for line in lines if line["route"] == "/public/images"]
    # How many depends on how fast the machine is.
    assert sum(map(len, together)) > READERS * EACH / 10
    assert max(map(len, together)) > 2
    # Whoever has the id of a request finds what catalog did for it.
    assert set(ids) <= {line["request_id"] for line in lines}.union(*together)


@pytest.mark.parametrize(
    "settings",
    [{}, {"TRUSTED_PROXIES": "1"}, {"PATH_PREFIX": "/pics"}, {"SLOW_REQUEST_S": "0.000001"}],
    ids=["as it is", "behind a proxy", "below a path", "slow"],
)
def test_answer_is_the_same_whether_the_application_gives_it(web_stack: WebStack, settings: dict[str, str]) -> None:
    """The gateway remembers no public answers in the second turn, where its application answers everything."""
    web_stack.start("auth")
    web_stack.start("catalog")
    web_stack.start("gateway")
    anna = web_stack.anna()
    for key in (*KEYS, "//two/slashes"):
        anna.post("/api/images", json={"s3_key": key})
    tag = requests.get(web_stack.url() + public(KEYS[0]), timeout=30).headers["ETag"]
    paths = [
        *map(public, (*KEYS, *MISSING, "//two/slashes")),
        "/api/i/%ff",
        "/api/i/a%00",
        "/api/i/",
        "/api/i",
        "/api/i/a//b",
    ]
    asked: list[tuple[str, str, dict[str, str]]] = [("GET", path, {}) for path in paths]
    asked += [("GET", f"{paths[0]}?a=b", {}), ("HEAD", paths[0], {}), ("POST", paths[0], {}), ("OPTIONS", paths[0], {})]
    asked += [("GET", paths[0], {"If-None-Match": known}) for known in (tag, "*", '"0"', f'"0", {tag}')]
    asked += [("GET", paths[0], {"X-Forwarded-Prefix": "/seen", "X-Forwarded-For": "192.0.2.7"})]
    found: list[list[Any]] = []
    for kept in ("0", "1000000"):
        web_stack.start("gateway", 0, PUBLIC_CACHE_BYTES=kept, **settings)
        found.append([])
        for method, path, headers in asked:
            path = settings.get("PATH_PREFIX", "") + path  # noqa: PLW2901 - as the proxy sends it
            answer = requests.request(method, web_stack.url() + path, headers=headers, timeout=30)
            told = {name: value for name, value in answer.headers.items() if name not in {"Date", "X-Request-ID"}}
            has_problem = answer.headers.get("Content-Type", "").startswith("application/problem")
            body = {**answer.json(), "request_id": None} if has_problem and answer.content else answer.content
            if has_problem:
                told.pop("Content-Length")
            found[-1].append((method, path, answer.status_code, told, body))
        slow = web_stack.lines("gateway", "slow request")
        waited = {line["status"] for line in slow if "catalog" in line["waited_ms"]}
        # What the client knows already is told from memory.
        assert waited - {304} == ({200, 404} if "SLOW_REQUEST_S" in settings else set())
    assert found[0] == found[1]
    assert {status for _, _, status, _, _ in found[1]} == {200, 204, 304, 400, 404, 405}


class Standing:
    """A server in place of catalog, whose first call hangs until `go_on`.

    It answers a call for several images with the `status` and, if given, the `wrong` body.
    """

    def __init__(self, status: int = 200, wrong: bytes | None = None) -> None:
        self.go_on = threading.Event()
        self.asked: list[str] = []
        standing = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                standing.asked.append(self.path)
                if self.path.startswith("/public/") and len(standing.calls) == 1:
                    standing.go_on.wait(20)
                if self.command == "GET":
                    self.send(200, b"{}\n")
                elif status == 200 and wrong is not None:
                    self.send(200, wrong)
                elif status == 200:
                    count = len(json.loads(body)["s3_keys"])
                    self.send(200, json.dumps([["abc", 3]] * count).encode() + b"\n" + b"{}\n" * count)
                else:
                    self.send(status, b"{}\n")

            do_GET = do_POST = answer  # noqa: N815 - the base class's own way to name methods

            def send(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("ETag", '"abc"')
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.handler = Handler

    @property
    def calls(self) -> list[str]:
        """The calls for images."""
        return [path for path in self.asked if path.startswith("/public/")]


@contextmanager
def gateway_before(standing: Standing, stack: WebStack) -> Iterator[str]:
    with serving(standing.handler) as url:
        try:
            stack.start("gateway", CATALOG_URL=url, PUBLIC_CACHE_BYTES="0", WEB_PROCESSES="1")
            yield stack.url()
        finally:
            standing.go_on.set()


@pytest.mark.parametrize("key", ["x" * 1001, "ä" * 501, "bad\u0001"])
def test_key_that_no_image_can_have_is_asked_for_alone(web_stack: WebStack, key: str) -> None:
    """A few of them would make the call for all too long."""
    standing = Standing()
    with gateway_before(standing, web_stack) as url, ThreadPoolExecutor(3) as clients:
        hanging = clients.submit(requests.get, url + public("hangs"), timeout=30)
        while not standing.calls:
            time.sleep(0.01)
        assert requests.get(url + public(key), timeout=30).status_code == 200
        assert not any("images" in path for path in standing.calls)
        standing.go_on.set()
        assert hanging.result().status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"{}\n",
        b"null\n",
        b"[]\n",
        b'[["abc", 9]]\n{}\n',
        b'[["abc"]]\n{}\n',
        b"[1]\n",
        b"[[null, null]]",
        b'[["a", "b"]]',
    ],
)
def test_nonsense_about_several_images_reaches_no_client(web_stack: WebStack, wrong: bytes) -> None:
    standing = Standing(wrong=wrong)
    with gateway_before(standing, web_stack) as url, ThreadPoolExecutor(3) as clients:
        hanging = clients.submit(requests.get, url + public("hangs"), timeout=30)
        while not standing.calls:
            time.sleep(0.01)
        answer = requests.get(url + public("a"), timeout=30)
        assert (answer.status_code, answer.content) == (200, b"{}\n")
        standing.go_on.set()
        assert hanging.result().status_code == 200
        [line] = web_stack.lines("gateway", "service answers several questions with something else")
        request_id = answer.headers["X-Request-ID"]
        assert (line["request_id"], line["requests"]) == (request_id, [request_id])


@pytest.mark.parametrize("status", [200, 500, 404])
def test_call_that_hangs_holds_up_nobody_else(web_stack: WebStack, status: int) -> None:
    """If catalog does not answer about several at once, as an earlier release, each is asked about alone."""
    standing = Standing(status)
    with gateway_before(standing, web_stack) as url, ThreadPoolExecutor(5) as clients:
        hanging = clients.submit(requests.get, url + public("hangs"), timeout=30)
        while not standing.calls:
            time.sleep(0.01)
        began = time.monotonic()
        answers = list(clients.map(lambda number: requests.get(url + public(f"{number}"), timeout=30), range(4)))
        took_s = time.monotonic() - began
        assert [(answer.status_code, answer.headers["ETag"]) for answer in answers] == [(200, '"abc"')] * 4
        assert took_s < 2
        assert not hanging.done()
        standing.go_on.set()
        assert hanging.result().status_code == 200
