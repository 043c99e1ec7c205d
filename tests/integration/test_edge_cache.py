"""The cache of the edge: public answers for as long as they say, and nothing else."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
import requests

from clients import ValidatingClient, authorization, path
from deadlines import until
from edge import Edge, edge
from raw_http import answer, connect
from recording_gateway import recording_gateway
from web_stack import ANNA, BUCKET, WebStack

IMAGE = "dir/ä b.jpg"
PUBLIC = path("i", IMAGE)

Started = Callable[[int], AbstractContextManager[Edge]]


@pytest.fixture
def started(web_stack: WebStack, tmp_path: Path) -> Started:
    """A function that starts everything with a max-age, with an image and a collection of anna's."""

    @contextmanager
    def start(max_age_s: int) -> Iterator[Edge]:
        web_stack.start_all(TRUSTED_PROXIES="1", PUBLIC_MAX_AGE_S=str(max_age_s))
        anna = web_stack.anna()
        for s3_key in (IMAGE, "x"):
            assert anna.post("/api/images", json={"s3_key": s3_key, "s3_bucket": BUCKET}).status == 201
        assert anna.post("/api/collections", json={"name": "c"}).status == 201
        with edge(tmp_path / "edge", web_stack.url()) as running:
            yield running

    return start


def asked(web_stack: WebStack) -> int:
    """Return how many reads of public resources the gateway has answered."""
    return sum(
        line["route"].startswith(("/api/i/", "/api/c/", "/i/", "/c/")) for line in web_stack.lines("gateway", "request")
    )


def kept(running: Edge) -> list[Path]:
    """Return the files of the cache."""
    return [found for found in (running.log.parent / "cache").rglob("*") if found.is_file()]


def test_answers_are_kept_and_each_request_has_an_id_of_its_own(started: Started, web_stack: WebStack) -> None:
    with started(10) as running:
        client = ValidatingClient(running.url)
        for target in (PUBLIC, "/api/c/c", "/c/c"):
            before = asked(web_stack)
            direct = requests.get(web_stack.url() + target, timeout=10)
            answers = [client.get(target, headers={"X-Request-ID": f"id-{n}"}) for n in range(3)]
            assert [each.headers.get_all("X-Request-ID") for each in answers] == [["id-0"], ["id-1"], ["id-2"]]
            assert {each.body for each in answers} == {direct.content}
            for name in ("ETag", "Cache-Control", "Content-Type", "Access-Control-Allow-Origin"):
                assert {each.headers[name] for each in answers} == {direct.headers.get(name)}
            assert "X-Accel-Expires" not in answers[0].headers
            new = {requests.get(running.url + target, timeout=10).headers["X-Request-ID"] for _ in range(3)}
            assert len(new) == 3
            assert asked(web_stack) - before == 2
        lines = until(lambda: running.lines()[17:] and running.lines(), 5, "no lines in the log")
        assert [line["cache"] for line in lines] == ["MISS", *["HIT"] * 5] * 3


def test_head_and_conditional_requests_are_answered_from_the_cache(started: Started, web_stack: WebStack) -> None:
    with started(10) as running:
        client = ValidatingClient(running.url)
        head = client.head(PUBLIC)
        got = client.get(PUBLIC)
        assert (head.status, head.headers["Content-Length"]) == (200, str(len(got.body)))
        for tag in (got.headers["ETag"], f'"other", {got.headers["ETag"]}', f"W/{got.headers['ETag']}"):
            known = client.get(PUBLIC, headers={"If-None-Match": tag})
            assert (known.status, known.headers["ETag"]) == (304, got.headers["ETag"])
        assert client.get(PUBLIC, headers={"If-None-Match": '"other"'}).body == got.body
        part = client.get(PUBLIC, headers={"Range": "bytes=0-1"})
        assert (part.status, part.body) == (200, got.body)
        assert asked(web_stack) == 1


def test_a_304_for_one_client_is_no_answer_for_others(started: Started) -> None:
    with started(10) as running:
        client = ValidatingClient(running.url)
        tag = client.get(f"{PUBLIC}?x").headers["ETag"]  # a query is not cached
        assert client.get(PUBLIC, headers={"If-None-Match": tag}).status == 304
        assert kept(running) == []
        assert client.get(PUBLIC).status == 200


@pytest.mark.parametrize("max_age_s", [4, 3])
def test_change_shows_within_max_age(started: Started, web_stack: WebStack, max_age_s: int) -> None:
    with started(max_age_s) as running:
        anna, client, longest = web_stack.anna(), ValidatingClient(running.url), 0.0
        for number in range(4):
            client.get(PUBLIC)
            time.sleep(0.3 * number)  # changes come at any moment of an answer's life
            assert anna.put(path("images", IMAGE), json={"title": f"title {number}"}).status == 200
            changed = time.monotonic()
            until(lambda: client.get(PUBLIC).json()["title"] == f"title {number}", 10, "no change")  # noqa: B023
            longest = max(longest, time.monotonic() - changed)
        assert longest < max_age_s
        assert "HIT" in {line["cache"] for line in running.lines()}


@pytest.mark.parametrize("max_age_s", [0, 1, 2])
def test_what_may_not_be_kept_is_not(started: Started, web_stack: WebStack, max_age_s: int) -> None:
    with started(max_age_s) as running:
        client = ValidatingClient(running.url)
        tags = {client.get(PUBLIC).headers["ETag"] for _ in range(3)}
        assert asked(web_stack) == 3
        assert kept(running) == []
        assert client.get(PUBLIC, headers={"If-None-Match": tags.pop()}).status == 304


def test_kept_answer_is_brought_up_to_date_by_its_tag(started: Started, web_stack: WebStack) -> None:
    with started(3) as running:
        client = ValidatingClient(running.url)
        first = client.get(PUBLIC)

        def was_brought_up_to_date() -> bool:
            client.get(PUBLIC)
            return "REVALIDATED" in {line["cache"] for line in running.lines()}

        until(was_brought_up_to_date, 10, "never brought up to date")
        statuses = [line["status"] for line in web_stack.lines("gateway", "request") if "/i/" in line["route"]]
        assert statuses == [200, 304]
        again = client.get(PUBLIC, headers={"If-None-Match": '"other"'})
        assert (again.status, again.body) == (200, first.body)
        assert asked(web_stack) == 2


def test_date_tells_clients_how_old_a_kept_answer_is(started: Started) -> None:
    with started(10) as running:
        client = ValidatingClient(running.url)
        first = client.get(PUBLIC).headers["Date"]
        age = timedelta(seconds=2)
        until(lambda: datetime.now(UTC) - parsedate_to_datetime(first) >= age, 5, "the clock stands still")
        assert client.get(PUBLIC).headers["Date"] == first


def test_whoever_sends_credentials_neither_fills_nor_reads_the_cache(started: Started, web_stack: WebStack) -> None:
    with started(10) as running:
        client = ValidatingClient(running.url)
        sent_by_clients = [authorization(ANNA), authorization("imgh_wrong"), "Basic", "0"]
        for number, credentials in enumerate(sent_by_clients, 1):
            sent = {"Authorization": credentials}
            assert client.get(PUBLIC, headers=sent).status == 200
            assert kept(running) == []
            assert asked(web_stack) == number
        client.get(PUBLIC)
        assert len(kept(running)) == 1
        before = asked(web_stack)
        client.get(PUBLIC, headers={"Authorization": authorization(ANNA)})
        assert asked(web_stack) == before + 1


def test_errors_are_not_kept(started: Started, web_stack: WebStack) -> None:
    with started(10) as running:
        client = ValidatingClient(running.url)
        for _ in range(2):
            assert client.get("/api/i/later").status == 404
            assert client.get("/api/c/later").status == 404
        web_stack.stop("catalog")
        assert client.get(PUBLIC).status == 503
        web_stack.start("catalog")
        assert kept(running) == []
        until(lambda: client.get(PUBLIC).status == 200, 5, "not back")
        anna = web_stack.anna()
        assert anna.post("/api/images", json={"s3_key": "later", "s3_bucket": BUCKET}).status == 201
        assert client.get("/api/i/later").status == 200


def test_an_old_answer_is_not_given_while_the_gateway_is_away(started: Started, web_stack: WebStack) -> None:
    with started(3) as running:
        client = ValidatingClient(running.url)
        assert client.get(PUBLIC).status == 200
        web_stack.stop("gateway")
        until(lambda: client.get(PUBLIC).status == 503, 5, "still given")
        assert client.get(PUBLIC).code == "service-unavailable"


TRICKS = [
    b"/api/images/%2e%2e/i/x",
    b"/api/images/../i/x",
    b"/api/images/..%2fi/x",
    b"/api/images/..%2Fi%2Fx",
    b"/api/%69mages/../i/x",
    b"/api/i/../images/x",
    b"/api/i/%2e%2e/images/x",
    b"/api/i/..%2fimages%2fx",
    b"/api/i/%2e%2e%2fimages/x",
    b"/api/i/x/../../images/x",
    b"/api/i/./x",
    b"/api/c/../images",
    b"/api/c/%2e%2e/images",
    b"/api//i/x",
    b"//api/i/x",
    b"/api/%69/x",
    b"/api%2fi/x",
    b"/api/images?/api/i/x",
    b"/api/images/x?/../../i/x",
    b"/api/images/x#/../../i/x",
    b"/api/images/x%23/../../../i/x",
    b"/api/images/x%3f/../../../i/x",
    b"http://x/api/images/../i/x",
    b"http://x/api/i/../images/x",
]


def test_no_spelling_of_a_path_gives_what_is_private_to_others(started: Started, web_stack: WebStack) -> None:
    credentials = f"Authorization: {authorization(ANNA)}\r\n".encode()
    with started(10) as running:
        for target in TRICKS:
            for head in (credentials, b"", b""):
                answers = []
                for url in (running.url, web_stack.url()):
                    with connect(url) as connection:
                        connection.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n")
                        answers.append(answer(connection))
                (status, body), (of_gateway, _) = answers
                assert status == of_gateway, target
                assert head or b'"uri"' not in body, target
        assert kept(running) == []
        # The resources themselves are as they were.
        client = ValidatingClient(running.url)
        assert client.get("/api/images/x").status == 401
        assert client.get("/api/i/x").json() == requests.get(f"{web_stack.url()}/api/i/x", timeout=10).json()


def test_other_spellings_of_a_public_address_are_answered_without_the_cache(
    started: Started, web_stack: WebStack
) -> None:
    with started(10) as running:
        client = ValidatingClient(running.url)
        for target in ("/api/i/x?", "/api/i/x?a=b", "/api/i/%78", PUBLIC.lower(), "/api/c/c?limit=1", "/api/c/%63"):
            before = asked(web_stack)
            for _ in range(2):
                assert client.get(target).status == 200, target
            assert asked(web_stack) == before + 2, target
        assert kept(running) == []


def test_long_answers_are_not_kept(tmp_path: Path) -> None:
    with recording_gateway() as recorded, edge(tmp_path / "edge", recorded.url) as running:
        for length, files in ((100_000, 0), (99_999, 1)):
            recorded.answers = [public(b"x" * length)]
            for _ in range(2):
                assert len(requests.get(f"{running.url}/api/i/a", timeout=10).content) == length
            assert len(kept(running)) == files
        assert len(recorded.heads) == 3


@pytest.mark.parametrize(
    "headers",
    [
        b"Cache-Control: no-store\r\n",
        b"Cache-Control: private, max-age=10\r\n",
        b"Cache-Control: public, max-age=10\r\nSet-Cookie: a=b\r\n",
        b"",
    ],
)
def test_what_does_not_say_that_it_may_be_kept_is_not(tmp_path: Path, headers: bytes) -> None:
    with recording_gateway() as recorded, edge(tmp_path / "edge", recorded.url) as running:
        recorded.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + headers + b"\r\nok"]
        for _ in range(2):
            assert requests.get(f"{running.url}/api/i/a", timeout=10).content == b"ok"
        assert len(recorded.heads) == 2
        assert kept(running) == []


def test_other_methods_are_not_answered_from_the_cache(started: Started) -> None:
    with started(10) as running:
        client = ValidatingClient(running.url)
        client.get(PUBLIC)
        assert client.options(PUBLIC).status == 204
        assert client.post(PUBLIC).status == 405


def public(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nCache-Control: public, max-age=10\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def test_prefixes_of_clients_keep_no_answers_apart(started: Started, web_stack: WebStack) -> None:
    with started(10) as running:
        for number in range(6):
            sent = {"X-Forwarded-Prefix": f"/p{number}"}
            assert requests.get(running.url + PUBLIC, headers=sent, timeout=10).ok
        assert asked(web_stack) <= 2  # the second may come before the first answer is kept
