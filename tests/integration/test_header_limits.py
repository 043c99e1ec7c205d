"""Long headers: refused at the door, or whole where they are needed; never lost on the way to a service."""

import http.client
from contextlib import closing

import pytest

from clients import ValidatingClient, authorization
from gateway.door.header_limits import LONGEST_FIELD
from web_stack import ANNA, BUCKET, WebStack


@pytest.fixture
def anna(web_stack: WebStack) -> ValidatingClient:
    web_stack.start_all()
    anna = web_stack.anna()
    assert anna.post("/api/images", json={"s3_key": "a", "s3_bucket": BUCKET}).status == 201
    return anna


def send(anna: ValidatingClient, stack: WebStack, method: str, target: str, *headers: tuple[str, str]) -> int:
    """Send a request whose headers may repeat a name; return the status, checked against the document."""
    with closing(http.client.HTTPConnection(stack.host, stack.ports["gateway"], timeout=10)) as connection:
        connection.putrequest(method, target)
        for name, value in (("Authorization", authorization(ANNA)), *headers):
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
    anna.contract.check_response(method, target, answer.status, answer.headers, body)
    return answer.status


def test_headers_of_a_name_that_are_too_long_together_are_431(anna: ValidatingClient, web_stack: WebStack) -> None:
    half = '"' + "x" * 5998 + '"'
    for name in ("If-None-Match", "If-Match", "X-Request-ID", "X-Forwarded-For", "Cookie"):
        for method, target in (("GET", "/api/images/a"), ("DELETE", "/api/images/a"), ("GET", "/api/i/a")):
            assert send(anna, web_stack, method, target, (name, half), (name, half)) == 431
    assert anna.get("/api/images/a").status == 200


@pytest.mark.parametrize("other", ["x", "\xff"], ids=["ascii", "latin-1"])
@pytest.mark.parametrize(("method", "name", "status"), [("GET", "If-None-Match", 304), ("DELETE", "If-Match", 204)])
def test_longest_headers_that_are_taken_arrive_whole(
    anna: ValidatingClient, web_stack: WebStack, method: str, name: str, status: int, other: str
) -> None:
    """The tag that counts is at the very end: had anything been cut off, the answer would be another."""
    etag = anna.get("/api/images/a").headers["ETag"]
    first = '"' + other * 4000 + '"'
    left = LONGEST_FIELD - len(f"{name}: {first},,{etag}\r\n")
    second = '"' + other * (left - 2) + '"'
    assert send(anna, web_stack, method, "/api/images/a", (name, first), (name, f"{second},{etag}")) == status


def test_longest_content_type_is_415(anna: ValidatingClient, web_stack: WebStack) -> None:
    long = ("Content-Type", "text/plain; a=" + "x" * 8000)
    assert send(anna, web_stack, "PUT", "/api/images/a", long, ("Content-Length", "0")) == 415
