import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import ClassVar

import gevent
import pytest

from chassis.deadlines import Deadline
from chassis.errors import DependencyDownError, OutcomeUnknownError
from gateway.kept_connections import REUSED_FOR_S
from gateway.services import Services
from gateway.settings import GatewaySettings
from s3 import serving


class _Refusing(BaseHTTPRequestHandler):
    """Answers every request with the status in its path, and with Retry-After."""

    asked: ClassVar[list[str]]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(int(self.path.removeprefix("/")))
        self.send_header("Retry-After", "1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_PUT = do_GET  # noqa: N815 - names of the base class

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def asked() -> list[str]:
    return []


def make_services(url: str) -> Services:
    return Services(GatewaySettings.model_validate({"auth_url": url, "catalog_url": url}))


@pytest.fixture
def services(asked: list[str]) -> Iterator[Services]:
    with serving(type("Handler", (_Refusing,), {"asked": asked})) as url:
        yield make_services(url)


@pytest.mark.parametrize("status", [413, 429, 503])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_answer_with_retry_after_is_returned_at_once_and_not_retried(
    services: Services, asked: list[str], method: str, status: int
) -> None:
    answer = services.call("auth", method, f"/{status}", Deadline.after(5))
    assert (answer.status, answer.headers["retry-after"]) == (status, "1")
    assert len(asked) == 1


def test_redirect_is_an_answer_like_any_other_and_is_not_followed() -> None:
    """Who could have a service redirect would choose where the token of the client is sent."""
    asked: list[str] = []

    class Redirecting(_Refusing):
        def send_response(self, code: int, message: str | None = None) -> None:
            super().send_response(code, message)
            self.send_header("Location", "/200")

    with serving(type("Handler", (Redirecting,), {"asked": asked})) as url:
        answer = make_services(url).call("auth", "GET", "/302", Deadline.after(5))
    assert (answer.status, asked) == (302, ["/302"])


def test_kept_connection_is_used_again_for_a_moment_only() -> None:
    """A service that ends closes its idle connections after two seconds, maybe just when a request is sent."""
    ports: list[int] = []

    class Keeping(_Refusing):
        protocol_version = "HTTP/1.1"
        asked: ClassVar[list[str]] = []

        def setup(self) -> None:
            ports.append(self.client_address[1])
            super().setup()

    with serving(Keeping) as url:
        services = make_services(url)
        services.call("catalog", "PUT", "/404", Deadline.after(5))
        services.call("catalog", "PUT", "/404", Deadline.after(5))
        assert len(ports) == 1
        time.sleep(REUSED_FOR_S)
        services.call("catalog", "PUT", "/404", Deadline.after(5))
        assert len(ports) == 2


def test_connection_that_is_not_used_again_is_closed() -> None:
    """Else each service that ended would leave its connections half closed here until somebody asks it again."""
    ended = threading.Event()

    class Keeping(_Refusing):
        protocol_version = "HTTP/1.1"
        asked: ClassVar[list[str]] = []

        def finish(self) -> None:
            super().finish()
            ended.set()

    with serving(Keeping) as url:
        services = make_services(url)
        services.call("catalog", "PUT", "/404", Deadline.after(5))
        with gevent.Timeout(10):
            while not ended.is_set():
                gevent.sleep(REUSED_FOR_S / 10)


def test_connection_that_the_service_has_closed_is_not_used_again() -> None:
    """A process that was killed keeps no promise: what is sent to it is lost, and a PUT is never sent twice."""
    connections: list[socket.socket] = []

    class Keeping(_Refusing):
        protocol_version = "HTTP/1.1"
        asked: ClassVar[list[str]] = []

        def setup(self) -> None:
            connections.append(self.request)
            super().setup()

    with serving(Keeping) as url:
        services = make_services(url)
        services.call("catalog", "PUT", "/404", Deadline.after(5))
        connections[0].shutdown(socket.SHUT_RDWR)
        assert services.call("catalog", "PUT", "/404", Deadline.after(5)).status == 404
    assert len(connections) == 2


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"])
def test_answer_that_is_none_leaves_the_outcome_of_a_change_unknown(answer: bytes) -> None:
    class Broken(_Refusing):
        asked: ClassVar[list[str]] = []

        def do_GET(self) -> None:
            self.asked.append(self.path)
            self.wfile.write(answer)

        do_PUT = do_GET  # noqa: N815 - names of the base class

    with serving(Broken) as url:
        services = make_services(url)
        with pytest.raises(OutcomeUnknownError):
            services.call("catalog", "PUT", "/1", Deadline.after(5))
        with pytest.raises(DependencyDownError) as raised:
            services.call("catalog", "GET", "/2", Deadline.after(5))
    assert not isinstance(raised.value, OutcomeUnknownError)
    assert Broken.asked == ["/1", "/2", "/2"]


def test_answer_in_chunks_is_put_together() -> None:
    class Chunked(_Refusing):
        protocol_version = "HTTP/1.1"
        asked: ClassVar[list[str]] = []

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b'5\r\n{"a":\r\n3\r\n 1}\r\n0\r\n\r\n')

    with serving(Chunked) as url:
        answer = make_services(url).call("catalog", "GET", "/", Deadline.after(5))
    assert answer.document() == {"a": 1}


def test_answer_that_ends_with_its_connection_is_whole() -> None:
    class Ending(_Refusing):
        asked: ClassVar[list[str]] = []

        def do_GET(self) -> None:
            self.asked.append(self.path)
            self.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"a": ')
            self.wfile.write(b"1}")

    with serving(Ending) as url:
        answer = make_services(url).call("catalog", "GET", "/", Deadline.after(5))
    assert (answer.document(), len(Ending.asked)) == ({"a": 1}, 1)


@pytest.mark.parametrize("headers", [{"If-Match": "a\r\nX-Source: b"}, {"If-Match": "a\nb"}, {"a\r\n\r\nGET /": "b"}])
def test_header_that_would_be_more_than_one_is_not_sent(
    services: Services, asked: list[str], headers: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match="line break"):
        services.call("auth", "GET", "/200", Deadline.after(5), headers=headers)
    assert asked == []
