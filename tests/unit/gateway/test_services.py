import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from gateway.services import Services
from gateway.settings import GatewaySettings


class _Refusing(BaseHTTPRequestHandler):
    """Answers every request with the status in its path, and with Retry-After."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(int(self.path.removeprefix("/")))
        self.send_header("Retry-After", "1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET  # noqa: N815 - a name of the base class

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def asked() -> list[str]:
    return []


@pytest.fixture
def services(asked: list[str]) -> Iterator[Services]:
    handler = type("Handler", (_Refusing,), {"asked": asked})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        yield Services(GatewaySettings.model_validate({"auth_url": url, "catalog_url": url}))
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("status", [413, 429, 503])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_answer_with_retry_after_is_returned_at_once_and_not_retried(
    services: Services, asked: list[str], method: str, status: int
) -> None:
    answer = services.call("auth", method, f"/{status}")
    assert (answer.status, answer.headers["Retry-After"]) == (status, "1")
    assert len(asked) == 1
