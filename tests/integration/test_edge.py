"""The edge: what it passes on, what it answers itself, and what it tells of requests."""

import http.client
import json
import os
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from clients import ValidatingClient, path
from deadlines import until
from edge import START, Edge, edge
from gateway import browsers
from raw_http import answer, connect, connections
from recording_gateway import OK, RecordingGateway, recording_gateway
from web_stack import ANNA, BUCKET, WebStack

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def recorded() -> Iterator[RecordingGateway]:
    with recording_gateway() as server:
        yield server


@pytest.fixture
def before_recorded(recorded: RecordingGateway, tmp_path: Path) -> Iterator[Edge]:
    with edge(tmp_path / "edge", recorded.url) as running:
        yield running


@pytest.fixture
def before_gateway(web_stack: WebStack, tmp_path: Path) -> Iterator[Edge]:
    web_stack.start_all(TRUSTED_PROXIES="1")
    with edge(tmp_path / "edge", web_stack.url()) as running:
        yield running


@pytest.fixture
def before_nobody(tmp_path: Path) -> Iterator[Edge]:
    with edge(tmp_path / "edge", NOBODY) as running:
        yield running


def send(url: str, request: bytes) -> tuple[int, http.client.HTTPMessage, dict[str, Any]]:
    """Send `request` byte for byte; return status, headers and document of the answer."""
    with connect(url) as connection:
        connection.sendall(request)
        with closing(http.client.HTTPResponse(connection)) as response:
            response.begin()
            return response.status, response.headers, json.loads(response.read())


# --- what it passes on ---


@pytest.mark.parametrize(
    "target",
    [
        b"/api/i/a%2Fb//c%2e%2e/%20+%C3%A4?x=%2F",
        b"/api/images/a%252Fb",
        b"/api/images/a/./b/../c",
        b"/api/i//a",
        b"/api/%69/a",
        b"//api/i/a",
        b"/api/images/\xc3\xa4?",
    ],
)
def test_targets_arrive_byte_for_byte(before_recorded: Edge, recorded: RecordingGateway, target: bytes) -> None:
    with connect(before_recorded.url) as connection:
        connection.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer(connection)[0] == 200
    assert recorded.targets() == [target]


@pytest.mark.parametrize("s3_key", ["dir/ä b%2F.jpg", "a+b@c.jpg", "a/-/b", "100%", "🏔/x.png"])
def test_what_is_registered_is_what_is_read(before_gateway: Edge, web_stack: WebStack, s3_key: str) -> None:
    anna = web_stack.anna(before_gateway.url)
    assert anna.post("/api/images", json={"s3_key": s3_key, "s3_bucket": BUCKET}).status == 201
    for url in (before_gateway.url, web_stack.url()):
        for target in (path("images", s3_key), path("i", s3_key)):
            assert requests.get(url + target, auth=ANNA, timeout=10).json()["s3_key"] == s3_key


def test_what_clients_could_forge_does_not_arrive(before_recorded: Edge, recorded: RecordingGateway) -> None:
    forged = {
        "X-Forwarded-For": "192.0.2.1",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "forged",
        "X-Forwarded-Port": "1",
        "X-Forwarded-Prefix": "/forged",
        "Forwarded": "for=192.0.2.1",
        "X-Real-IP": "192.0.2.1",
        "X-Source": "192.0.2.1",
        "X-Time-Left": "1000",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": "a=b",
    }
    for target in ("/api/images", "/api/i/a"):
        requests.get(before_recorded.url + target, headers=forged, timeout=10)
        arrived = recorded.headers()
        assert (arrived.pop("x-forwarded-for"), arrived.pop("x-forwarded-proto")) == ("127.0.0.1", "http")
        assert {name for name in forged if name.lower() in arrived} == set()
        assert arrived["host"] == urlsplit(before_recorded.url).netloc


def test_failed_logins_are_counted_for_the_address_of_the_client(before_gateway: Edge, web_stack: WebStack) -> None:
    forged = {"X-Forwarded-For": "192.0.2.1"}
    assert requests.get(f"{before_gateway.url}/api/images", headers=forged, timeout=10).status_code == 401
    assert {line["client"] for line in web_stack.lines("gateway", "request")} == {"127.0.0.1"}


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_gateway_is_spoken_to_in_kept_connections(
    before_recorded: Edge, recorded: RecordingGateway, version: bytes
) -> None:
    host = b"Host: x\r\n" if version == b"1.1" else b""
    for _ in range(20):
        with connect(before_recorded.url) as connection:
            connection.sendall(b"GET /healthz HTTP/" + version + b"\r\n" + host + b"\r\n")
            assert answer(connection)[0] == 200
    assert recorded.connections <= 2  # of two processes
    assert recorded.heads[-1].startswith(b"GET /healthz HTTP/1.1\r\n")
    assert "host" in recorded.headers()


def test_file_is_passed_on_whatever_its_size(before_gateway: Edge, web_stack: WebStack) -> None:
    # The gateway looks first whether there may be any uploads, and then at the size.
    refused = web_stack.anna(before_gateway.url).put("/api/uploads/a.jpg", body=b"x" * 9_000_000)
    assert (refused.status, refused.code) == (404, "uploads-off")


def test_conditions_of_private_requests_arrive(before_gateway: Edge, web_stack: WebStack) -> None:
    anna = web_stack.anna(before_gateway.url)
    uri = anna.post("/api/images", json={"s3_key": "a", "s3_bucket": BUCKET}).json()["uri"]
    tag = anna.get(uri).headers["ETag"]
    assert anna.get(uri, headers={"If-None-Match": tag}).status == 304
    assert anna.delete(uri, headers={"If-Match": '"other"'}).status == 412
    assert anna.delete(uri, headers={"If-Match": tag}).status == 204


def test_gateway_refuses_by_itself_what_is_too_large_for_it(before_gateway: Edge, web_stack: WebStack) -> None:
    anna, nobody = web_stack.anna(before_gateway.url), ValidatingClient(before_gateway.url)
    assert (anna.post("/api/images", body=b"x" * 5_000_000).code) == "body-too-large"
    assert nobody.post("/api/images", body=b"x" * 5_000_000).status == 401
    too_long = requests.get(before_gateway.url + "/api/i/" + "x" * 9_000, timeout=10)
    assert (too_long.status_code, too_long.json()["code"]) == (414, "uri-too-long")
    headers = requests.get(before_gateway.url + "/api/images", headers={"Cookie": "x" * 9_000}, timeout=10)
    assert (headers.status_code, headers.json()["code"]) == (431, "request-header-fields-too-large")
    assert len(web_stack.lines("gateway", "request")) == 2


# --- what it answers itself ---


def assert_is_problem(status: int, headers: http.client.HTTPMessage, document: dict[str, Any], code: str) -> None:
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["Cache-Control"] == "no-store"
    assert {headers[name] for name in browsers.HEADERS} == set(browsers.HEADERS.values())
    assert (headers["Retry-After"] is not None) is (status == 503)
    assert document == {
        "type": f"/api/problems/{code}",
        "title": document["title"],
        "status": status,
        "detail": document["detail"],
        "instance": "/",
        "code": code,
        "request_id": headers["X-Request-ID"],
    }
    assert document["title"]
    assert document["detail"]


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (b"nonsense\r\n\r\n", 400, "malformed-request"),
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400, "malformed-request"),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, "malformed-request"),
        (b"GET /api/i/%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "malformed-path"),
        (b"GET /api/../..?%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "malformed-request"),
        (b"GET /api/i/../../../a HTTP/1.1\r\nHost: x\r\n\r\n", 400, "malformed-request"),
        (b"GET /healthz HTTP/2.7\r\nHost: x\r\n\r\n", 505, "http-version-not-supported"),
        (b"POST /api/images HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n", 413, "body-too-large"),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "uri-too-long"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 431, "request-header-fields-too-large"),
        (b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", 501, "not-implemented"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "not-implemented"),
        (b"GET /.edge/problem HTTP/1.1\r\nHost: x\r\n\r\n", 404, "not-found"),
        (b"GET /api/images HTTP/1.1\r\nHost: x\r\n\r\n", 503, "service-unavailable"),
        (b"DELETE /api/images/a HTTP/1.1\r\nHost: x\r\n\r\n", 503, "service-unavailable"),
        (b"GET /api/i/a HTTP/1.1\r\nHost: x\r\n\r\n", 503, "service-unavailable"),
    ],
)
def test_its_own_refusals_are_problem_documents(before_nobody: Edge, request_: bytes, status: int, code: str) -> None:
    answered, headers, document = send(before_nobody.url, request_)
    assert answered == status
    assert_is_problem(status, headers, document, code)
    [line] = until(before_nobody.lines, 5, "no line in the log")
    assert (line["status"], line["request_id"]) == (status, document["request_id"])


def test_its_refusals_have_the_form_of_the_document(before_nobody: Edge) -> None:
    client = ValidatingClient(before_nobody.url, ANNA)
    assert client.get("/api/images", headers={"X-Request-ID": "mine"}).headers["X-Request-ID"] == "mine"
    for target in ("/api/i/a", "/api/c/a"):
        public = client.get(target)
        assert (public.status, public.code) == (503, "service-unavailable")
        assert public.headers["Access-Control-Allow-Origin"] == "*"
    assert client.head("/api/images").status == 503


@pytest.mark.parametrize(
    ("method", "code"), [("GET", "service-unavailable"), ("POST", "outcome-unknown"), ("DELETE", "outcome-unknown")]
)
def test_a_request_whose_answer_is_lost_is_not_sent_again_and_the_client_is_told(
    before_recorded: Edge, recorded: RecordingGateway, method: str, code: str
) -> None:
    recorded.answers = [OK, b"", OK]
    with requests.Session() as session:  # on one connection, so that the same process of nginx has them
        session.get(f"{before_recorded.url}/healthz", timeout=10)
        lost = session.request(method, f"{before_recorded.url}/api/images", timeout=10)
    assert (lost.status_code, lost.json()["code"]) == (503, code)
    assert len(recorded.heads) == 2


@pytest.mark.parametrize("listen", ["127.0.0.1:{port}", "[::]:{port} ipv6only=off"])
def test_one_address_has_only_so_many_requests_at_a_time(
    recorded: RecordingGateway, tmp_path: Path, listen: str
) -> None:
    half = b"POST /api/images HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    with edge(tmp_path / "edge", recorded.url, CONNECTIONS_PER_ADDRESS="5", LISTEN=listen) as running:
        with ExitStack() as greedy:

            def is_refused_after_one_more() -> bool:
                greedy.enter_context(connect(running.url, "127.0.0.1")).sendall(half)
                return requests.get(f"{running.url}/healthz", timeout=10).status_code == 503

            until(is_refused_after_one_more, 10, "never refused")
            refused = requests.get(f"{running.url}/healthz", timeout=10)
            assert (refused.status_code, refused.json()["code"]) == (503, "service-unavailable")
            with connect(running.url, "127.0.0.2") as other:
                other.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                assert answer(other)[0] == 200
        until(lambda: requests.get(f"{running.url}/healthz", timeout=10).ok, 30, "refused for ever")


def test_a_slow_reader_holds_no_connection_to_the_gateway(before_recorded: Edge, recorded: RecordingGateway) -> None:
    recorded.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n" + b"x" * 50_000, OK]
    with connections(before_recorded.url, 20) as slow:
        for number, connection in enumerate(slow, 1):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            recorded.answers = [recorded.answers[0]] * number + [OK]
            connection.sendall(b"GET /api/images HTTP/1.1\r\nHost: x\r\n\r\n")
            until(lambda: len(recorded.heads) >= number, 5, "not asked")  # noqa: B023
        assert requests.get(f"{before_recorded.url}/healthz", timeout=10).content
        # Each connection was used again for the next of them.
        assert recorded.connections <= 4


def test_it_does_not_start_where_the_gateway_trusts_no_proxy(tmp_path: Path) -> None:
    done = subprocess.run([str(START)], env={"PATH": "/bin"}, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("edge: set GATEWAY_TRUSTED_PROXIES=1")


# --- TLS ---


@pytest.fixture
def before_recorded_by_tls(recorded: RecordingGateway, tmp_path: Path) -> Iterator[Edge]:
    tls = tmp_path / "tls"
    tls.mkdir()
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")
    files = ("-keyout", str(tls / "tls.key"), "-out", str(tls / "tls.crt"))
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    subprocess.run([*command, *names, *files], check=True, capture_output=True)
    with edge(tmp_path / "edge", recorded.url, TLS=str(tls)) as running:
        yield running


def tls_socket(url: str, certificate: Path, version: ssl.TLSVersion, protocols: list[str]) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(certificate))
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = version
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.set_alpn_protocols(protocols)
    return context.wrap_socket(connect(url), server_hostname="127.0.0.1")


def test_with_a_certificate_it_speaks_tls_and_http_2(
    before_recorded_by_tls: Edge, recorded: RecordingGateway, tmp_path: Path
) -> None:
    url, certificate = before_recorded_by_tls.url, tmp_path / "tls" / "tls.crt"
    assert requests.get(f"{url}/api/images", verify=str(certificate), timeout=10).content == b"ok"
    assert recorded.headers()["x-forwarded-proto"] == "https"
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with tls_socket(url, certificate, version, ["h2", "http/1.1"]) as connection:
            assert connection.selected_alpn_protocol() == "h2"
    status, headers, document = send(url, b"GET /api/images HTTP/1.1\r\nHost: x\r\n\r\n")
    assert status == 400
    assert_is_problem(status, headers, document, "malformed-request")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_older_tls_is_refused(before_recorded_by_tls: Edge, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLError):
        tls_socket(before_recorded_by_tls.url, tmp_path / "tls" / "tls.crt", ssl.TLSVersion.TLSv1_1, ["http/1.1"])


# --- what it tells of requests ---


def test_each_request_is_a_line_without_path_query_or_credentials(before_gateway: Edge, web_stack: WebStack) -> None:
    secret = "imgh_" + "a" * 16
    requests.get(f"{before_gateway.url}/api/api-keys/{secret}?x={secret}", auth=(secret, secret), timeout=10)
    sent = {"X-Request-ID": "mine"}
    requests.get(f"{before_gateway.url}/healthz", headers=sent, timeout=10)
    first, second = until(lambda: before_gateway.lines()[1:] and before_gateway.lines(), 5, "no lines in the log")
    assert secret not in before_gateway.log.read_text()
    [known] = [line for line in web_stack.lines("gateway", "request") if line["request_id"] == first["request_id"]]
    assert {name: first[name] for name in ("event", "method", "status", "client", "level")} == {
        name: known[name] for name in ("event", "method", "status", "client", "level")
    }
    assert set(known) - {"route"} <= set(first) | {"logger", "user_id", "key_id"}
    assert isinstance(first["ms"], int)
    assert (second["request_id"], second["service"]) == ("mine", "edge")


@pytest.mark.parametrize(
    ("sent", "is_taken"), [("a" * 128, True), ("A-z.0_9", True), ("a" * 129, False), ("a b", False), ("", False)]
)
def test_request_ids_are_taken_as_the_gateway_takes_them(
    before_gateway: Edge, web_stack: WebStack, sent: str, *, is_taken: bool
) -> None:
    answered = requests.get(f"{before_gateway.url}/api/images", headers={"X-Request-ID": sent}, timeout=10)
    own = answered.headers["X-Request-ID"]
    assert (own == sent) is is_taken
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", own)
    assert answered.json()["request_id"] == own
    assert [line["request_id"] for line in web_stack.lines("gateway", "request")] == [own]


@pytest.mark.parametrize(
    ("version", "can_wait"),
    [("1.22.1", False), ("1.27.3", False), ("1.27.4", True), ("1.28.0", True), ("1.24.0 (Ubuntu)", False)],
)
def test_idle_connections_outlive_the_end_for_a_moment_where_nginx_can_do_that(
    tmp_path: Path, version: str, can_wait: bool
) -> None:
    """A client may be sending on one just then. The nginx of this machine may be older, so another is pretended."""
    nginx = tmp_path / "nginx"
    nginx.write_text(f'#!/bin/sh\nif [ "$*" = -v ]; then echo "nginx version: nginx/{version}" >&2; fi\n')
    nginx.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "EDGE_TEMPORARY": str(tmp_path)}
    subprocess.run(["sh", START], env=environment | {"GATEWAY_TRUSTED_PROXIES": "1"}, check=True)
    written = (tmp_path / "nginx.conf").read_text()
    assert ("keepalive_min_timeout 2s;" in written) == can_wait
    assert "${EDGE_" not in written
