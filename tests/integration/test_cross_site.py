"""Web pages of other sites while auth is away, and pages of origins that the operator names."""

import base64
import json
import socket

import pytest
import requests

from web_stack import ANNA, BUCKET, WebStack

SHOWN_HEADERS = "ETag, Idempotency-Replayed, Link, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-ID"
EVIL, APP = "https://evil.example", "https://app.example"


@pytest.fixture
def stack(web_stack: WebStack) -> WebStack:
    web_stack.start_all(ALLOWED_ORIGINS=json.dumps([f"{APP}:443/", "http://localhost:3000"]))
    return web_stack


@pytest.fixture
def url(stack: WebStack) -> str:
    return stack.url()


def register(url: str, key: str, **headers: str) -> requests.Response:
    form = {"s3_key": key, "s3_bucket": BUCKET}
    return requests.post(f"{url}/api/images", form, headers=headers, auth=ANNA, timeout=10)


def test_it_is_refused_before_auth_is_asked_and_before_the_body_is_read(stack: WebStack) -> None:
    stack.stop("auth")
    credentials = base64.b64encode(":".join(ANNA).encode()).decode()
    with socket.create_connection((stack.host, stack.ports["gateway"]), timeout=10) as connection:
        connection.sendall(
            f"POST /api/images HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {credentials}\r\nOrigin: {EVIL}\r\n"
            "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n".encode()
        )
        assert connection.recv(12) == b"HTTP/1.1 403"


def test_page_of_a_named_origin_may_use_the_private_api(url: str) -> None:
    headers = {"Origin": APP, "Sec-Fetch-Site": "cross-site"}
    made = register(url, "a", **headers)
    listed = requests.get(f"{url}/api/images", headers=headers, auth=ANNA, timeout=10)
    refusals = [
        requests.get(f"{url}/api/images", headers=headers, timeout=10),
        requests.patch(f"{url}/api/images", headers=headers, timeout=10),
        requests.get(f"{url}/api/images?limit=0", headers=headers, auth=ANNA, timeout=10),
        requests.get(f"{url}/api/nothing", headers=headers, timeout=10),
        register(url, "a", **headers),
    ]
    assert [answer.status_code for answer in (made, listed, *refusals)] == [201, 200, 401, 405, 422, 404, 409]
    for answer in (made, listed, *refusals):
        assert answer.headers["Access-Control-Allow-Origin"] == APP
        assert answer.headers["Access-Control-Expose-Headers"] == SHOWN_HEADERS
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert "Origin" in answer.headers["Vary"]
    public = requests.get(f"{url}/api/i/a", headers=headers, timeout=10)
    assert public.headers["Access-Control-Allow-Origin"] == "*"


def preflight(url: str, target: str, origin: str, method: str) -> requests.Response:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return requests.options(url + target, headers=asked, timeout=10)


@pytest.mark.parametrize(
    ("target", "methods"),
    [
        ("/api/images", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("/api/images/a/b", {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}),
        ("/api/users/anna", {"GET", "HEAD", "PUT", "OPTIONS"}),
        ("/api/signed-post", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_preflight_of_a_named_origin_tells_the_methods_of_the_route(url: str, target: str, methods: set[str]) -> None:
    answer = preflight(url, target, "http://localhost:3000", "GET")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
    assert set(answer.headers["Access-Control-Allow-Methods"].split(", ")) == methods
    assert answer.headers["Access-Control-Allow-Headers"] == (
        "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-ID"
    )
    assert int(answer.headers["Access-Control-Max-Age"]) > 0
    assert "Origin" in answer.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_preflight_of_any_other_origin_is_answered_as_if_none_were_named(url: str) -> None:
    for origin in (EVIL, "null", "https://app.example.evil.example", "http://app.example", "https://app.example:8443"):
        answer = preflight(url, "/api/images", origin, "POST")
        assert answer.status_code == 405
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert preflight(url, "/api/nothing", APP, "POST").status_code == 404
    assert preflight(url, "/api/i/a", APP, "GET").headers["Access-Control-Allow-Origin"] == "*"
