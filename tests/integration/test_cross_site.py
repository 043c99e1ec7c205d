"""Web pages of other sites, with credentials that a browser remembers, and pages of origins that the operator names."""

import base64
import json
import socket

import pytest
import requests

from web_stack import ANNA, BUCKET, WebStack

EVIL, APP = "https://evil.example", "https://app.example"
CHANGES = [
    ("POST", "/api/images"),
    ("PUT", "/api/images/a"),
    ("DELETE", "/api/images/a"),
    ("POST", "/api/collections"),
    ("DELETE", "/api/collections/a"),
    ("PUT", "/api/collections/a/images/a"),
    ("DELETE", "/api/collections/a/images/a"),
    ("POST", "/api/api-keys"),
    ("PUT", "/api/api-keys/a"),
    ("DELETE", "/api/api-keys/a"),
    ("PUT", "/api/users/anna"),
]


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


def test_form_of_another_site_changes_nothing_with_remembered_credentials(stack: WebStack) -> None:
    for headers in ({"Origin": EVIL}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        refused = register(stack.url(), "a", **headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "cross-site-request")
        assert "Access-Control-Allow-Origin" not in refused.headers
    assert stack.anna().get("/api/images").json() == []


def test_page_of_the_gateways_own_host_and_programs_are_served(stack: WebStack) -> None:
    own: list[dict[str, str]] = [{}, {"Origin": stack.url()}, {"Sec-Fetch-Site": "same-origin", "Origin": stack.url()}]
    own.append({"Host": "PICS.example", "Origin": "https://pics.example"})
    for number, headers in enumerate(own):
        assert register(stack.url(), f"a{number}", **headers).status_code == 201


def test_every_change_is_protected_and_nothing_else(stack: WebStack) -> None:
    anna = stack.anna()
    for method, target in CHANGES:
        assert anna.send(method, target, headers={"Origin": EVIL}).code == "cross-site-request"
    for target in ("/api/images", "/api/collections", "/api/api-keys", "/api/users/anna"):
        for method in ("GET", "HEAD"):
            assert anna.send(method, target, headers={"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}).status == 200
    assert anna.send("PATCH", "/api/images", headers={"Origin": EVIL}).status == 405
    assert anna.post("/api/nothing", headers={"Origin": EVIL}).status == 404
    anna.auth = None
    assert anna.post("/api/images", headers={"Origin": EVIL}).status == 401


def test_bearer_token_and_key_of_another_site_differ(stack: WebStack) -> None:
    """No browser adds a Bearer token by itself; a key as the password of Basic it does."""
    key = stack.anna().post("/api/api-keys").json()["key"]
    headers = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}
    by_bearer, by_basic = stack.anna(), stack.anna()
    by_bearer.auth, by_basic.auth = key, ("any", key)
    assert by_bearer.post("/api/collections", json={"name": "a"}, headers=headers).status == 201
    assert by_basic.post("/api/collections", json={"name": "b"}, headers=headers).status == 403
    for scheme in ("BASIC", "basic"):
        credentials = f"{scheme} {base64.b64encode(':'.join(ANNA).encode()).decode()}"
        refused = by_basic.post("/api/images", headers={**headers, "Authorization": credentials})
        assert (refused.status, refused.code) == (403, "cross-site-request")


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
        assert answer.headers["Access-Control-Expose-Headers"] == "ETag, Link, Location, Retry-After, X-Request-ID"
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
        "Authorization, Content-Type, If-Match, If-None-Match, X-Request-ID"
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
