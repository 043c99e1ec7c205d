"""What every answer of the gateway tells browsers, whoever writes the answer."""

import socket
from urllib.parse import urlsplit

import pytest
import requests

from clients import Stack

NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def test_no_browser_guesses_the_type_of_an_answer_or_loads_anything_for_it(stack: Stack) -> None:
    url, credentials = stack["GATEWAY_URL"], (stack["IMGHOST_USERNAME"], stack["IMGHOST_PASSWORD"])
    answers = [
        requests.get(f"{url}/api/docs", timeout=10),
        requests.get(f"{url}/api/docs/docs.js", timeout=10),
        requests.get(f"{url}/api/openapi.json", timeout=10),
        requests.options(f"{url}/api/i/a", timeout=10),
        requests.get(f"{url}/healthz", timeout=10),
        requests.get(f"{url}/nothing", timeout=10),
        requests.patch(f"{url}/api/images", timeout=10),
        requests.get(f"{url}/api/images", timeout=10),
        requests.get(f"{url}/api/images?limit=1", auth=credentials, timeout=10),
        requests.get(f"{url}/api/i/%FF", timeout=10),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 204, 200, 404, 405, 401, 200, 400]
    for answer in answers:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert [answer.headers["Content-Security-Policy"] for answer in answers[1:]] == [NOTHING] * 9


@pytest.mark.parametrize("path", ["/api/docs", "/"])
def test_a_page_is_shown_in_no_frame_and_keeps_its_policy_when_a_browser_has_it(stack: Stack, path: str) -> None:
    page = requests.get(f"{stack['GATEWAY_URL']}{path}", timeout=10)
    known = {"If-None-Match": page.headers["ETag"]}
    again = requests.get(f"{stack['GATEWAY_URL']}{path}", headers=known, timeout=10)
    assert (page.status_code, again.status_code) == (200, 304)
    policy = page.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    # Browsers replace the headers of their copy by those of a 304.
    assert again.headers["Content-Security-Policy"] == policy


def test_the_answer_to_what_cannot_be_read_says_the_same(stack: Stack) -> None:
    address = urlsplit(stack["GATEWAY_URL"])
    too_long = b"GET / HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n"
    for request, status in ((b"nonsense\r\n\r\n", b"400"), (too_long, b"431")):
        with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
            connection.sendall(request)
            said = b"".join(iter(lambda: connection.recv(65536), b""))
        assert said.startswith(b"HTTP/1.1 " + status)
        for header in ("X-Content-Type-Options: nosniff", "Referrer-Policy: no-referrer"):
            assert f"\r\n{header}\r\n".encode() in said
        assert f"\r\nContent-Security-Policy: {NOTHING}\r\n".encode() in said
