"""What is refused before the application begins, and how long it takes to find out."""

import time
from collections.abc import Iterator

import pytest
from gevent import socket

from gateway.door.client import Client, Patience
from gateway.door.connections import Connections
from gateway.door.turns import Turns
from gateway.password_checks import PasswordChecks
from gateway.progress import Progress
from gateway.services import Services
from gateway.settings import GatewaySettings
from gateway.web.admission import Admission
from metric_values import shown

HERE = "192.0.2.1"
HEAD = b"GET /api/c/x HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
def admission() -> Admission:
    """An admission for which there is far too much to do."""
    progress = Progress(1)
    progress._add(HERE, 2)  # noqa: SLF001
    return make_admission(progress)


def make_admission(progress: Progress) -> Admission:
    settings = GatewaySettings.model_validate({"auth_url": "http://x", "catalog_url": "http://x"})
    return Admission(lambda *_: [], progress, Services(settings), PasswordChecks(2), sources_are_peers=True)


@pytest.fixture
def client() -> Iterator[Client]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Client(ours, HERE, Patience(5, 5, 5), Connections(1, 1, 1), Turns(by_source=True))


def test_plain_request_is_refused_again(admission: Admission, client: Client) -> None:
    answer = admission._again(client, HERE, HEAD + b"X-Request-ID: r1\r\n\r\n")  # noqa: SLF001
    assert answer is not None
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"X-Request-ID: r1\r\n" in answer


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        HEAD,
        HEAD + b"\r\nGET /",
        HEAD + b"\r\n" + HEAD + b"\r\n",
        HEAD + b"Content-Length: 5\r\n\r\nhello",
        HEAD + b"Content-Length: 5\r\n\r\n",
        HEAD + b"Content-Length : 5\r\n\r\n",
        HEAD + b" Transfer-Encoding: chunked\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
        HEAD + b"Connection: close\r\n\r\n",
        HEAD + b"Expect: 100-continue\r\n\r\n",
        HEAD + b"Host: y\r\n\r\n",
        HEAD + b"X: y\n\r\n\r\n",
        HEAD.replace(b"Host", b"Hast") + b"\r\n",
        HEAD.replace(b"GET", b"POST") + b"\r\n",
        HEAD.replace(b"1.1", b"1.0") + b"\r\n",
        HEAD.replace(b"/api", b"http://x/api") + b"\r\n",
        HEAD.replace(b"/api/c/x", b"/healthz") + b"\r\n",
    ],
)
def test_what_is_not_plain_goes_through_the_http_parser(admission: Admission, client: Client, sent: bytes) -> None:
    assert admission._again(client, HERE, sent) is None  # noqa: SLF001


@pytest.mark.parametrize("sent", [b"GET /" + b"?" * 65_000, HEAD + b"X: y\r\n" * 10_000, b"GET /" + b"a?" * 4_000])
def test_finding_out_takes_no_longer_than_a_request(admission: Admission, client: Client, sent: bytes) -> None:
    began = time.monotonic()
    assert admission._again(client, HERE, sent) is None  # noqa: SLF001
    assert time.monotonic() - began < 0.1


def test_what_would_be_refused_after_its_turn_is_refused_before(admission: Admission) -> None:
    for path in ("/api/images", "/i/a/b.jpg", "/c/x", "/c/x.atom", "/c/x/a/b.jpg", "/api/oembed"):
        assert admission.is_hopeless(path, HERE)
    assert not admission.is_hopeless("/healthz", HERE)
    assert not admission.is_hopeless("/pages/pages.css", HERE)
    assert not admission.is_hopeless("/none", HERE)


def test_who_has_a_turn_after_a_wait_is_not_refused_like_others(client: Client) -> None:
    progress = Progress(4)
    progress._add(HERE, 4)  # noqa: SLF001
    admission = make_admission(progress)
    environ = {"PATH_INFO": "/api/images", "REMOTE_ADDR": HERE, "REQUEST_METHOD": "GET", "gunicorn.socket": client}
    assert admission.is_hopeless("/api/images", HERE)
    assert list(admission(environ, lambda *_: lambda _: None))
    client.has_waited = True
    assert list(admission(environ, lambda *_: lambda _: None)) == []  # the answer of the application


def test_hopeless_request_takes_no_turn(client: Client) -> None:
    client.wait_for_turn(first=False, is_hopeless=True)
    assert not client.has_turn
    client.wait_for_turn(first=False, is_hopeless=False)
    assert (client.has_turn, client.has_waited) == (True, False)


def test_each_refusal_is_counted_by_its_reason(admission: Admission, client: Client) -> None:
    def refused() -> float:
        return shown("imghost_refused_requests_total", reason="progress")

    before = refused()
    assert admission._again(client, HERE, HEAD + b"\r\n") is not None  # noqa: SLF001
    environ = {"PATH_INFO": "/api/images", "REMOTE_ADDR": HERE, "REQUEST_METHOD": "GET"}
    assert list(admission(environ, lambda *_: lambda _: None))
    assert refused() == before + 2
