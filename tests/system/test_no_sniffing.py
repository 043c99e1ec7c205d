"""No browser guesses what an answer of the gateway is, whoever writes the answer."""

import socket
from urllib.parse import urlsplit

import requests

from clients import Stack


def test_every_answer_forbids_browsers_to_guess_its_type(stack: Stack) -> None:
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


def test_so_does_the_answer_to_what_cannot_be_read(stack: Stack) -> None:
    address = urlsplit(stack["GATEWAY_URL"])
    too_long = b"GET / HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n"
    for request, status in ((b"nonsense\r\n\r\n", b"400"), (too_long, b"431")):
        with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
            connection.sendall(request)
            said = b"".join(iter(lambda: connection.recv(65536), b""))
        assert said.startswith(b"HTTP/1.1 " + status)
        assert b"\r\nX-Content-Type-Options: nosniff\r\n" in said
