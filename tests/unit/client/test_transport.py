"""What the client sends again, and what not; what it makes of answers that are not of imghost."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from imghost import Client, NoAnswerError, ProblemError, StillPendingError
from imghost.batches import DeleteOperation
from imghost.problems import (
    OutcomeUnknownError,
    RateLimitedError,
    ServiceUnavailableError,
    TooManyAttemptsError,
    UnexpectedAnswerError,
)
from recording_gateway import RecordingGateway, recording_gateway

IMAGE: dict[str, object] = {
    "type": "image", "url": "http://s3/b/k/x.jpg", "s3_key": "k/x.jpg", "s3_bucket": "b", "user": "anna",
    "uri": "/api/images/k/x.jpg", "title": "", "description": "", "size": None, "colors": [], "thumbs": [],
    "status": "pending", "placeholder": None, "content_type": None, "bytes": None, "sha256": None, "error": None,
    "date_created": "2026-01-01T00:00:00Z", "date_updated": "2026-01-01T00:00:00Z", "a_later_field": 1,
}  # fmt: skip
API_KEY: dict[str, object] = {
    "type": "api_key", "id": "mfzwg2lbon2gk3th", "description": "", "scopes": ["read"], "parent": None,
    "expires_at": None, "previous_secret_expires_at": None, "date_created": "2026-01-01T00:00:00Z",
    "date_last_used": None, "uri": "/api/api-keys/mfzwg2lbon2gk3th", "key": "imgh_mfzwg2lbon2gk3th_x",
}  # fmt: skip
LOST = b""


def answer(status: int, document: object, *headers: str, content_type: str = "application/json") -> bytes:
    body = json.dumps(document).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def problem(status: int, code: str, *headers: str) -> bytes:
    document = {
        "type": f"/api/problems/{code}",
        "title": "T",
        "status": status,
        "code": code,
        "detail": "D.",
        "request_id": "r",
    }
    return answer(status, document, *headers, content_type="application/problem+json")


@pytest.fixture
def gateway() -> Iterator[RecordingGateway]:
    with recording_gateway() as recorded:
        yield recorded


@pytest.fixture
def client(gateway: RecordingGateway) -> Iterator[Client]:
    with Client(gateway.url, api_key="imgh_a_b", timeout_s=3) as client:
        yield client


def sent_keys(gateway: RecordingGateway) -> list[str]:
    """Return the idempotency keys of all requests."""
    heads = [head.decode().split("\r\n") for head in gateway.heads]
    return [line.partition(": ")[2] for lines in heads for line in lines if line.startswith("Idempotency-Key")]


@pytest.mark.parametrize(
    "first",
    [
        LOST,
        problem(429, "rate-limited", "Retry-After: 1"),
        problem(503, "service-unavailable", "Retry-After: 1"),
        problem(503, "outcome-unknown", "Retry-After: 1"),
        answer(502, "a proxy"),
    ],
    ids=["lost", "rate-limited", "unavailable", "unknown", "proxy"],
)
def test_reading_is_repeated(client: Client, gateway: RecordingGateway, first: bytes) -> None:
    gateway.answers = [first, answer(200, IMAGE)]
    assert client.get_image("k/x.jpg").status == "pending"
    assert len(gateway.heads) == 2


@pytest.mark.parametrize("first", [LOST, problem(409, "idempotency-key-in-flight", "Retry-After: 1")])
def test_post_is_repeated_with_its_key(client: Client, gateway: RecordingGateway, first: bytes) -> None:
    gateway.answers = [first, first, answer(201, IMAGE)]
    client.create_image("k/x.jpg")
    first_key, *others = sent_keys(gateway)
    assert others == [first_key] * 2
    client.create_image("k/x.jpg")
    assert sent_keys(gateway)[-1] != first_key


@pytest.mark.parametrize("first", [LOST, problem(503, "outcome-unknown", "Retry-After: 1")])
def test_change_that_may_have_been_made_is_not_repeated(
    client: Client, gateway: RecordingGateway, first: bytes
) -> None:
    gateway.answers = [first, answer(200, IMAGE)]
    with pytest.raises((NoAnswerError, OutcomeUnknownError)):
        client.update_image("k/x.jpg", title="x")
    gateway.answers = [LOST]
    with pytest.raises((NoAnswerError, OutcomeUnknownError)):
        client.delete_image("k/x.jpg")
    assert len(gateway.heads) == 2


def test_change_that_was_certainly_not_made_is_repeated(client: Client, gateway: RecordingGateway) -> None:
    gateway.answers = [problem(503, "service-unavailable", "Retry-After: 1"), answer(200, IMAGE)]
    client.update_image("k/x.jpg", title="x")
    assert len(gateway.heads) == 2


def test_wait_that_is_longer_than_the_deadline_is_not_begun(client: Client, gateway: RecordingGateway) -> None:
    gateway.answers = [problem(429, "rate-limited", "Retry-After: 31")]
    with pytest.raises(RateLimitedError) as limited:
        client.get_image("k/x.jpg")
    assert limited.value.retry_after_s == 31
    assert len(gateway.heads) == 1


def test_password_is_not_tried_again(client: Client, gateway: RecordingGateway) -> None:
    gateway.answers = [problem(429, "too-many-attempts", "Retry-After: 1"), answer(200, IMAGE)]
    with pytest.raises(TooManyAttemptsError):
        client.get_image("k/x.jpg")
    assert len(gateway.heads) == 1


def test_repeats_end_with_the_deadline(gateway: RecordingGateway) -> None:
    gateway.answers = [problem(503, "service-unavailable")]
    with Client(gateway.url, timeout_s=0.5) as client, pytest.raises(ServiceUnavailableError):
        client.get_image("k/x.jpg")
    assert 2 <= len(gateway.heads) <= 10


def test_answer_that_never_ends_is_given_up(gateway: RecordingGateway) -> None:
    gateway.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n["]
    with Client(gateway.url, timeout_s=0.5) as client, pytest.raises(NoAnswerError) as lost:
        client.delete_image("k/x.jpg")
    assert lost.value.sent
    assert lost.value.request_id == gateway.headers()["x-request-id"]


def test_service_that_is_not_there_is_told_in_a_line() -> None:
    with Client("http://127.0.0.1:9", timeout_s=0.5) as client, pytest.raises(NoAnswerError) as lost:
        client.delete_image("k/x.jpg")
    assert not lost.value.sent
    assert "Connection refused" in str(lost.value)
    assert "0x" not in str(lost.value)


@pytest.mark.parametrize(
    "other",
    [
        answer(200, {"hello": "world"}),
        answer(200, "text"),
        answer(404, {"error": "no such route"}),
        answer(301, {}, "Location: https://elsewhere.example/"),
        answer(400, [], content_type="application/problem+json"),
    ],
)
def test_answer_of_another_service_is_told(client: Client, gateway: RecordingGateway, other: bytes) -> None:
    gateway.answers = [other]
    with pytest.raises(UnexpectedAnswerError):
        client.get_image("k/x.jpg")


def test_redirection_is_told_and_not_followed(client: Client, gateway: RecordingGateway) -> None:
    gateway.answers = [answer(301, {}, f"Location: {gateway.url}/other")]
    with pytest.raises(UnexpectedAnswerError, match="/other"):
        client.get_image("k/x.jpg")
    assert len(gateway.heads) == 1


@pytest.mark.parametrize("link", ["http://127.0.0.1:9/api/images?cursor=x", "//127.0.0.1:9/api/images"])
def test_credentials_go_to_no_other_server(client: Client, gateway: RecordingGateway, link: str) -> None:
    gateway.answers = [answer(200, [], f'Link: <{link}>; rel="next"'), answer(200, [IMAGE])]
    with pytest.raises(UnexpectedAnswerError):
        list(client.list_images())


def test_list_ends_with_a_missing_link_and_not_with_an_empty_page(client: Client, gateway: RecordingGateway) -> None:
    link = 'Link: </api/images?cursor=x&limit=1>; rel="next"'
    gateway.answers = [answer(200, [IMAGE], link), answer(200, [], link), answer(200, [IMAGE])]
    assert len(list(client.list_images(page_size=1))) == 2
    assert gateway.targets()[1:] == [b"/api/images?cursor=x&limit=1"] * 2


def test_links_of_a_service_below_a_path_are_followed(gateway: RecordingGateway) -> None:
    link = 'Link: </pics/api/images?cursor=x>; rel="next"'
    gateway.answers = [answer(200, [IMAGE], link), answer(200, [IMAGE])]
    with Client(f"{gateway.url}/pics/") as client:
        assert len(list(client.list_images())) == 2
    assert gateway.targets() == [b"/pics/api/images", b"/pics/api/images?cursor=x"]


def test_key_whose_secret_was_lost_is_revoked_and_another_is_made(client: Client, gateway: RecordingGateway) -> None:
    kept = problem(409, "secret-not-kept", "Location: /api/api-keys/mfzwg2lbon2gk3th")
    gateway.answers = [LOST, kept, b"HTTP/1.1 204 X\r\n\r\n", answer(201, API_KEY)]
    assert client.create_api_key().key == API_KEY["key"]
    methods = [head.split(b" ")[0] for head in gateway.heads]
    assert methods == [b"POST", b"POST", b"DELETE", b"POST"]
    first, second, last = sent_keys(gateway)
    assert first == second != last


def test_operations_that_were_not_begun_are_sent_again(client: Client, gateway: RecordingGateway) -> None:
    def refused(code: str) -> dict[str, object]:
        return {"status": 503, "problem": {"status": 503, "code": code, "detail": "D.", "request_id": "r"}}

    done = {"status": 204}
    gateway.answers = [
        answer(200, {"results": [done, refused("not-begun"), refused("not-begun")]}),
        answer(200, {"results": [refused("service-unavailable"), refused("not-begun")]}),
        answer(200, {"results": [refused("not-begun")]}),
    ]
    results = client.carry_out_batch([DeleteOperation(key) for key in "abc"])
    assert [each.problem and each.problem.code for each in results] == [None, "service-unavailable", "not-begun"]
    assert len(gateway.heads) == len(set(sent_keys(gateway))) == 3


def test_file_of_credentials_does_not_replace_those_of_the_client(
    gateway: RecordingGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login other password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    gateway.answers = [answer(200, IMAGE)]
    with Client(gateway.url, api_key="imgh_a_b") as client:
        client.get_image("k/x.jpg")
    assert gateway.headers()["authorization"] == "Bearer imgh_a_b"
    gateway.answers = [problem(401, "credentials-required")]
    with Client(gateway.url) as anybody, pytest.raises(ProblemError):
        anybody.get_image("k/x.jpg")
    assert "authorization" not in gateway.headers()


@pytest.mark.parametrize("url", ["pics.example", "ftp://pics.example", "http://u:p@pics.example", "http://x/?a=b", ""])
def test_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Client(url)


def test_credentials_are_a_key_or_a_pair() -> None:
    for api_key, username, password in (("k", None, "p"), (None, "u", None), (None, None, "p")):
        with pytest.raises(ValueError, match="password"):
            Client("http://127.0.0.1", api_key=api_key, username=username, password=password)


def test_password_may_have_any_character(gateway: RecordingGateway) -> None:
    gateway.answers = [answer(200, IMAGE)]
    with Client(gateway.url, username="anna", password="pä:ß€") as client:
        client.get_image("k/x.jpg")
    assert gateway.headers()["authorization"] == "Basic YW5uYTpww6Q6w5/igqw="


def test_waiting_has_an_end(client: Client, gateway: RecordingGateway) -> None:
    gateway.answers = [answer(200, IMAGE)]
    with pytest.raises(StillPendingError):
        client.wait_until_ready("k/x.jpg", within_s=0.3)
