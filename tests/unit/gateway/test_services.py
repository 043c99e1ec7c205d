import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import ClassVar

import pytest

from chassis.deadlines import Deadline
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
    assert (answer.status, answer.headers["Retry-After"]) == (status, "1")
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
