"""Public answers that are given again: for how long, to whom, and in how much memory."""

import json
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import gevent
import pytest
from werkzeug.test import Client, EnvironBuilder, run_wsgi_app

from gateway.web.public_answers import FRESH_S, PublicAnswers

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

KEEPS_MUCH = 1024**2


class App:
    """Answers each request with its own number of that path, or as `statuses` says, after `takes_s`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.conditions: list[str | None] = []
        self.statuses: dict[str, str] = {}
        self.takes_s = 0.0
        self.version = 1
        self.fails = False
        self.answers_pages = False
        self.further: list[tuple[str, str]] = []

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        self.asked.append(f"{environ['REQUEST_METHOD']} {path}")
        self.conditions.append(environ.get("HTTP_IF_NONE_MATCH"))
        status, tag, fails = self.statuses.get(path, "200 OK"), f'"v{self.version}"', self.fails
        gevent.sleep(self.takes_s)
        if fails:
            raise RuntimeError
        if environ.get("HTTP_IF_NONE_MATCH") == tag:
            status = "304 NOT MODIFIED"
        headers = [("X-Request-ID", "of the first"), ("Cache-Control", "public, max-age=10"), *self.further]
        if status[0] in "45" and not self.answers_pages:
            headers.append(("Content-Type", "application/problem+json"))
        if status.startswith("200"):
            headers += [("Content-Type", "application/json"), ("Content-Length", "2")]
        if status[0] in "23":
            headers.append(("ETag", tag))
        start_response(status, headers)
        if status[0] in "45" and self.answers_pages:
            return [b"<!DOCTYPE html>"]
        if status[0] in "45":
            return [json.dumps({"code": "a-code", "request_id": environ["HTTP_X_REQUEST_ID"]}).encode()]
        return [] if status.startswith("304") else [f"v{self.version}".encode()]


@pytest.fixture
def app() -> App:
    return App()


def keeping(app: App, most_bytes: int = KEEPS_MUCH) -> "WSGIApplication":
    kept = PublicAnswers(most_bytes)
    return kept.from_memory(kept.asking_once(app))


def client_of(app: App, most_bytes: int = KEEPS_MUCH) -> Client:
    return Client(keeping(app, most_bytes))


def test_answer_is_given_again_for_less_than_a_second(app: App) -> None:
    client = client_of(app)
    assert client.get("/api/i/a").data == b"v1"
    app.version = 2
    assert client.get("/api/i/a").data == b"v1"
    assert app.asked == ["GET /api/i/a"]
    time.sleep(1 - 0.05)  # of the second that the contract promises, the rest is for answering
    assert client.get("/api/i/a").data == b"v2"


def test_second_counts_from_when_the_application_was_asked(app: App) -> None:
    client, app.takes_s = client_of(app), FRESH_S
    client.get("/api/i/a")
    client.get("/api/i/a")
    assert len(app.asked) == 2


def test_after_that_the_application_says_whether_it_is_still_right(app: App) -> None:
    client = client_of(app)
    client.get("/api/i/a")
    time.sleep(FRESH_S)
    answer = client.get("/api/i/a")
    assert (answer.status_code, answer.data, answer.headers["Content-Type"]) == (200, b"v1", "application/json")
    assert app.conditions == [None, '"v1"']
    client.get("/api/i/a")
    assert len(app.asked) == 2


def test_what_is_said_with_that_takes_the_place_of_what_was_said_before(app: App) -> None:
    client, app.further = client_of(app), [("X-Accel-Expires", "8")]
    client.get("/api/i/a")
    app.further = [("X-Accel-Expires", "5")]
    time.sleep(FRESH_S)
    for _ in range(2):
        assert client.get("/api/i/a").headers.getlist("X-Accel-Expires") == ["5"]
    assert app.conditions == [None, '"v1"']


@pytest.mark.parametrize("condition", ['"v1"', 'W/"v1"', '"other", "v1"', "*"])
def test_client_that_knows_the_answer_is_told_so(app: App, condition: str) -> None:
    client = client_of(app)
    for _ in range(2):
        answer = client.get("/api/i/a", headers={"If-None-Match": condition})
        assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", '"v1"')
        assert "Content-Type" not in answer.headers
        assert answer.headers["Cache-Control"] == "public, max-age=10"
    assert client.get("/api/i/a", headers={"If-None-Match": '"v0"'}).status_code == 200
    assert app.conditions == [None]


def test_each_request_has_an_id_of_its_own(app: App) -> None:
    client = client_of(app)
    ids = [client.get("/api/i/a", headers={"X-Request-ID": f"id-{n}"}).headers.getlist("X-Request-ID") for n in "12"]
    assert ids == [["id-1"], ["id-2"]]


@pytest.mark.parametrize("path", ["/i/a/b.jpg", "/c/x", "/c/x.atom", "/c/x/a.jpg", "/api/oembed"])
def test_pages_are_given_again_too(app: App, path: str) -> None:
    client = client_of(app)
    assert [client.get(path).data for _ in range(2)] == [b"v1"] * 2
    assert app.asked == [f"GET {path}"]


def test_error_that_is_a_page_is_given_as_it_is(app: App) -> None:
    client, app.statuses = client_of(app), {"/i/a": "404 NOT FOUND"}
    app.further = [("Content-Type", "text/html")]
    app.answers_pages = True
    assert client.get("/i/a").data == b"<!DOCTYPE html>"


def test_head_is_answered_from_the_answer_to_get(app: App) -> None:
    client = client_of(app)
    answer = client.head("/api/i/a")
    assert (answer.status_code, answer.data, answer.headers["Content-Length"]) == (200, b"", "2")
    assert client.get("/api/i/a").data == b"v1"
    assert app.asked == ["GET /api/i/a"]


@pytest.mark.parametrize("path", ["/api/images/a", "/api/collections", "/api/openapi.json", "/api/I/a", "/healthz"])
def test_nothing_else_is_kept(app: App, path: str) -> None:
    client = client_of(app)
    for _ in range(2):
        client.get(path)
    assert len(app.asked) == 2


@pytest.mark.parametrize("method", ["OPTIONS", "POST", "DELETE"])
def test_other_methods_are_for_the_application(app: App, method: str) -> None:
    client = client_of(app)
    client.get("/api/i/a")
    client.open("/api/i/a", method=method)
    assert app.asked[1:] == [f"{method} /api/i/a"]


@pytest.mark.parametrize("status", ["404 NOT FOUND", "422 UNPROCESSABLE", "503 SERVICE UNAVAILABLE"])
def test_problem_is_not_kept(app: App, status: str) -> None:
    client, app.statuses = client_of(app), {"/api/i/a": status}
    client.get("/api/i/a")
    app.statuses = {}
    assert client.get("/api/i/a").status_code == 200


def test_problem_that_is_shared_has_the_id_of_each_request(app: App) -> None:
    client, app.takes_s, app.statuses = client_of(app), 0.05, {"/api/i/a": "404 NOT FOUND"}
    asking = [gevent.spawn(client.get, "/api/i/a", headers={"X-Request-ID": name}) for name in ("one", "two", "??")]
    gevent.joinall(asking, timeout=5, raise_error=True)
    answers = [each.value for each in asking]
    assert [answer.json["request_id"] for answer in answers] == [answer.headers["X-Request-ID"] for answer in answers]
    assert [answer.json["request_id"] for answer in answers[:2]] == ["one", "two"]
    assert {answer.json["code"] for answer in answers} == {"a-code"}
    assert len(app.asked) == 1


def test_deleted_is_gone_after_the_second(app: App) -> None:
    client = client_of(app)
    client.get("/api/i/a")
    app.statuses = {"/api/i/a": "404 NOT FOUND"}
    app.version = 2
    time.sleep(FRESH_S)
    assert client.get("/api/i/a").status_code == 404


def test_answers_differ_by_path_query_and_prefix(app: App) -> None:
    kept = keeping(app)
    for prefix in ("", "/pics"):
        for path in ("/api/c/a", "/api/c/b", "/api/c/a?limit=1"):
            environ = EnvironBuilder(path).get_environ() | {"imghost.prefix": prefix}
            run_wsgi_app(kept, environ)
    assert len(app.asked) == 6


def test_those_who_ask_at_the_same_moment_share_one_answer(app: App) -> None:
    client, app.takes_s = client_of(app), 0.05
    asking = [gevent.spawn(client.get, "/api/i/a") for _ in range(20)]
    gevent.joinall(asking, timeout=5, raise_error=True)
    assert [greenlet.value.data for greenlet in asking] == [b"v1"] * 20
    assert len(app.asked) == 1


@pytest.mark.parametrize("fails", [False, True])
def test_those_who_have_waited_share_a_problem_and_the_next_one_asks_again(app: App, *, fails: bool) -> None:
    client, app.takes_s = client_of(app), 0.05
    app.statuses, app.fails = {"/api/i/a": "503 SERVICE UNAVAILABLE"}, fails
    asking = [gevent.spawn(client.get, "/api/i/a") for _ in range(2)]
    gevent.joinall(asking, timeout=5)
    assert len(app.asked) == 1
    found = [type(each.exception) if fails else each.value.status_code for each in asking]
    assert found == [RuntimeError if fails else 503] * 2
    app.statuses, app.fails = {}, False
    assert client.get("/api/i/a").status_code == 200


def test_long_addresses_count_as_memory(app: App) -> None:
    client = client_of(app, most_bytes=100_000)
    for number in range(40):
        client.get(f"/api/i/a?{number}{'x' * 8000}")
    client.get(f"/api/i/a?0{'x' * 8000}")
    assert len(app.asked) == 41


def test_memory_is_bounded_and_what_is_asked_for_stays(app: App) -> None:
    client = client_of(app, most_bytes=10_000)  # four answers of two bytes each
    for number in range(20):
        client.get("/api/i/often")
        client.get(f"/api/i/{number}")
    assert app.asked.count("GET /api/i/often") == 1
    client.get("/api/i/0")
    assert app.asked.count("GET /api/i/0") == 2
