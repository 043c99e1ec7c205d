"""What the gateway passes on to the services and back: its application in this process, before services of the tests.

System tests see only answers; these see the requests that a service gets, and services that do not answer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from flask import json
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from auth import keys
from gateway.settings import GatewaySettings
from gateway.web.app import make_flask
from s3 import serving

CLIENT = "192.0.2.1"
PROBLEM = "application/problem+json"
# The headers that a service may get: those of the gateway's own connection, and those that it decides about.
PASSED_ON = {"host", "content-length", "accept-encoding", "user-agent"}
PASSED_ON |= {"authorization", "content-type", "if-match", "if-none-match", "x-request-id", "x-source", "x-time-left"}


@dataclass(frozen=True)
class Asked:
    """A request as a service got it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass
class Behind:
    """The services behind the gateway: `/tokens` and `/use` answer as auth and catalog do, other paths with `status`
    and `document`.

    To a method in `silent` there is no answer: the request is received, and its connection closed.
    """

    asked: list[Asked] = field(default_factory=list)
    status: int = 200
    document: Any = field(default_factory=lambda: {"use": {"api_keys": 1}, "limits": {"api_keys": 2}})
    content_type: str = "application/json"
    silent: set[str] = field(default_factory=set)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        behind = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                behind.asked.append(Asked(self.command, self.path, headers, json.loads(body) if body else None))
                if self.path == "/tokens":
                    tokens = {"user_id": "anna", "token": "of-the-service", "further_tokens": ["of-the-other"]}
                    self.send(200, tokens, "application/json")
                elif self.path == "/use":
                    self.send(200, {"use": {"images": 3}, "limits": {"images": 4}}, "application/json")
                elif self.command not in behind.silent:
                    self.send(behind.status, behind.document, behind.content_type)

            do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - the base class's own way to name methods

            def send(self, status: int, document: Any, content_type: str) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("ETag", '"user-keys"')
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler

    def asked_for(self, path: str) -> list[Asked]:
        """Return the requests for `path`, whatever their query."""
        return [each for each in self.asked if each.path.partition("?")[0] == path]


@pytest.fixture
def behind() -> Behind:
    return Behind()


@pytest.fixture
def client(behind: Behind, request: pytest.FixtureRequest) -> Iterator[FlaskClient]:
    """A client of a gateway whose services are `behind`; a parameter says how many proxies it trusts."""
    with serving(behind.handler()) as url:
        settings = {"auth_url": url, "catalog_url": url, "trusted_proxies": getattr(request, "param", 0)}
        yield make_flask(GatewaySettings.model_validate(settings)).test_client()


def send(client: FlaskClient, method: str, target: str, **headers: str) -> TestResponse:
    sent = {"Authorization": "Basic YW5uYTpzZWNyZXQ=", **{name.replace("_", "-"): v for name, v in headers.items()}}
    return client.open(target, method=method, headers=sent, environ_overrides={"REMOTE_ADDR": CLIENT})


FORGED = {
    "X_Source": "198.51.100.9",
    "X_Forwarded_For": "198.51.100.9",
    "X_Real_IP": "198.51.100.9",
    "Forwarded": "for=198.51.100.9",
    "X_User": "bert",
    "User_Agent": "bert",
    "Cookie": "session=bert",
}


def test_source_of_a_request_is_where_its_connection_comes_from_whatever_its_headers_say(
    client: FlaskClient, behind: Behind
) -> None:
    """Who could name another source for each guess would never be delayed."""
    assert send(client, "GET", "/api/users/anna", **FORGED).status_code == 200
    [asked], [forwarded] = behind.asked_for("/tokens"), behind.asked_for("/user")
    assert (asked.body["source"], forwarded.headers["x-source"]) == (CLIENT, CLIENT)


@pytest.mark.parametrize("client", [1], indirect=True)
def test_source_is_the_address_that_the_trusted_proxy_has_added(client: FlaskClient, behind: Behind) -> None:
    send(client, "GET", "/api/users/anna", X_Forwarded_For="198.51.100.9, 192.0.2.7", X_Source="198.51.100.9")
    [asked], [forwarded] = behind.asked_for("/tokens"), behind.asked_for("/user")
    assert (asked.body["source"], forwarded.headers["x-source"]) == ("192.0.2.7", "192.0.2.7")


@pytest.mark.parametrize(
    ("target", "path", "authorization"),
    [("/api/images/a", "/image", "Bearer of-the-service"), ("/api/i/a", "/public/image", None)],
)
def test_service_reads_no_header_of_a_client_but_those_that_are_meant_for_it(
    client: FlaskClient, behind: Behind, target: str, path: str, authorization: str | None
) -> None:
    send(client, "GET", target, **FORGED)
    [forwarded] = behind.asked_for(path)
    assert forwarded.headers.keys() <= PASSED_ON
    assert not set(FORGED.values()) & set(forwarded.headers.values())
    assert forwarded.headers.get("authorization") == authorization


@pytest.mark.parametrize(("target", "audience"), [("/api/images/a", "catalog"), ("/api/users/anna", "auth")])
def test_token_is_asked_for_the_service_that_will_get_it(
    client: FlaskClient, behind: Behind, target: str, audience: str
) -> None:
    send(client, "GET", target)
    assert [asked.body["audience"] for asked in behind.asked_for("/tokens")] == [audience]


def test_each_service_that_tells_of_a_user_gets_a_token_of_its_own(client: FlaskClient, behind: Behind) -> None:
    """With a token for both, each of them could act for the user at the other one."""
    answer = send(client, "GET", "/api/users/anna", If_None_Match='"user-keys"')
    assert answer.get_json() == {
        "use": {"api_keys": 1, "images": 3},
        "limits": {"api_keys": 2, "images": 4},
        "complete": True,
    }
    [asked], [user], [use] = (behind.asked_for(path) for path in ("/tokens", "/user", "/use"))
    assert asked.body["further_audiences"] == ["catalog"]
    assert [each.headers["authorization"] for each in (user, use)] == ["Bearer of-the-service", "Bearer of-the-other"]
    # The tag is that of the whole, which no service knows.
    assert "if-none-match" not in user.headers
    assert answer.headers["ETag"].startswith('"user-keys-')


def test_no_other_route_asks_for_a_further_token(client: FlaskClient, behind: Behind) -> None:
    for target in ("/api/images/a", "/api/api-keys"):
        send(client, "GET", target)
    assert [asked.body["further_audiences"] for asked in behind.asked_for("/tokens")] == [[], []]


def test_parameter_that_a_route_does_not_take_is_refused_or_left_out(client: FlaskClient, behind: Behind) -> None:
    assert send(client, "GET", "/api/images?page=2").status_code == 422
    assert not behind.asked_for("/images")
    send(client, "GET", "/api/i/a?utm_source=x")
    [forwarded] = behind.asked_for("/public/image")
    assert "utm_source" not in forwarded.path


def test_problem_shows_the_id_where_the_path_had_the_whole_key(client: FlaskClient, behind: Behind) -> None:
    """Clients write problem documents into their logs, where no secret belongs."""
    key = keys.new_key()
    behind.status, behind.content_type = 404, PROBLEM
    behind.document = {"status": 404, "instance": "/api-key", "code": "api-key-not-found"}
    for answer in (send(client, "GET", f"/api/api-keys/{key}"), send(client, "PATCH", f"/api/api-keys/{key}")):
        assert answer.headers["Content-Type"] == PROBLEM
        assert json.loads(answer.data)["instance"] == f"/api/api-keys/{key[5:21]}"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_change_whose_answer_was_lost_is_not_sent_again(client: FlaskClient, behind: Behind, method: str) -> None:
    """It may have been executed: a second DELETE would be answered with 404, a second POST with 409."""
    behind.silent = {method}
    target, path = ("/api/images", "/images") if method == "POST" else ("/api/images/a", "/image")
    assert send(client, method, target).status_code == 503
    assert len(behind.asked_for(path)) == 1


def test_reading_whose_answer_was_lost_is_tried_once_more(client: FlaskClient, behind: Behind) -> None:
    behind.silent = {"GET"}
    assert send(client, "GET", "/api/images/a").status_code == 503
    assert len(behind.asked_for("/image")) == 2


@pytest.mark.parametrize(
    ("target", "status", "kept"),
    [
        ("/api/images/a", 200, "no-store"),
        ("/api/users/anna", 200, "no-store"),
        ("/api/i/a", 200, "public, max-age=10"),
        ("/api/i/a", 404, "no-store"),
    ],
)
def test_caches_keep_public_answers_only_and_no_refusals(
    client: FlaskClient, behind: Behind, target: str, status: int, kept: str
) -> None:
    """A cache that keeps a private answer shows one user's images to the next."""
    behind.status = status
    assert send(client, "GET", target).headers["Cache-Control"] == kept


@pytest.mark.parametrize("target", ["/api/images/a", "/api/i/a", "/api/nothing", "/healthz"])
def test_browsers_are_told_to_load_nothing_for_an_answer_and_to_show_it_in_no_frame(
    client: FlaskClient, target: str
) -> None:
    headers = send(client, "GET", target).headers
    assert headers["Content-Security-Policy"].split("; ") == [
        *("default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"),
    ]
    assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "no-referrer")


def test_page_of_another_site_reserves_no_prefix_for_uploads(client: FlaskClient, behind: Behind) -> None:
    """To send it with a remembered password, the address of an image in the page is enough."""
    foreign = {"Sec_Fetch_Site": "cross-site"}
    assert send(client, "GET", "/api/signed-post", **foreign).status_code == 403
    assert not behind.asked
    assert send(client, "GET", "/api/signed-post", Sec_Fetch_Dest="document", **foreign).status_code == 403
    for headers in ({}, {**foreign, "Authorization": "Bearer imgh_x"}):
        assert send(client, "GET", "/api/signed-post", **headers).status_code == 200


def test_page_of_another_site_uses_up_nobodys_limits_by_reading(client: FlaskClient, behind: Behind) -> None:
    foreign = {"Sec_Fetch_Site": "cross-site"}
    for destination in ("image", "iframe", "script", "empty"):
        for method in ("GET", "HEAD"):
            refused = send(client, method, "/api/images", Sec_Fetch_Dest=destination, **foreign)
            assert refused.status_code == 403
    assert not behind.asked
    assert send(client, "GET", "/api/i/a", Sec_Fetch_Dest="image", **foreign).status_code == 200
    assert send(client, "GET", "/api/images", Sec_Fetch_Dest="document", **foreign).status_code == 200
