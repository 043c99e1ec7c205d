"""Long headers: refused at the door, or whole where they are needed; never lost on the way to a service."""

import http.client
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest

from clients import Register, ValidatingClient, authorization, path
from gateway.door.header_limits import LONGEST_FIELD


def send(client: ValidatingClient, method: str, target: str, *headers: tuple[str, str]) -> int:
    """Send a request whose headers may repeat a name; return the status, checked against the document."""
    address = urlsplit(client.base_url)
    assert client.auth is not None
    with closing(http.client.HTTPConnection(str(address.hostname), address.port, timeout=10)) as connection:
        connection.putrequest(method, target)
        for name, value in (("Authorization", authorization(client.auth)), *headers):
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
    client.contract.check_response(method, target, answer.status, answer.headers, body)
    return answer.status


def test_headers_of_a_name_that_are_too_long_together_are_431(
    alice: ValidatingClient, ready_image: dict[str, Any]
) -> None:
    image, public = ready_image["uri"], path("i", ready_image["s3_key"])
    half = '"' + "x" * 5998 + '"'
    for name in ("If-None-Match", "If-Match", "X-Request-ID", "X-Forwarded-For", "Cookie"):
        for method, target in (("GET", image), ("DELETE", image), ("GET", public)):
            assert send(alice, method, target, (name, half), (name, half)) == 431
    assert alice.get(image).status == 200


@pytest.mark.parametrize("other", ["x", "\xff"], ids=["ascii", "latin-1"])
@pytest.mark.parametrize(("method", "name", "status"), [("GET", "If-None-Match", 304), ("DELETE", "If-Match", 204)])
def test_longest_headers_that_are_taken_arrive_whole(
    alice: ValidatingClient, register: Register, prefix: str, method: str, name: str, status: int, other: str
) -> None:
    """The tag that counts is at the very end: had anything been cut off, the answer would be another."""
    image = register(prefix)["uri"]
    alice.settled(prefix)
    etag = alice.get(image).headers["ETag"]
    first = '"' + other * 4000 + '"'
    left = LONGEST_FIELD - len(f"{name}: {first},,{etag}\r\n")
    second = '"' + other * (left - 2) + '"'
    assert send(alice, method, image, (name, first), (name, f"{second},{etag}")) == status


def test_longest_content_type_is_415(alice: ValidatingClient, ready_image: dict[str, Any]) -> None:
    long = ("Content-Type", "text/plain; a=" + "x" * 8000)
    assert send(alice, "PUT", ready_image["uri"], long, ("Content-Length", "0")) == 415
