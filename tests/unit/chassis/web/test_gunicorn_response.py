"""In how many parts answers are sent."""

from types import SimpleNamespace
from typing import Any

import pytest

from chassis.web.gunicorn_response import MOST_TOGETHER, Response


class Sent:
    """A socket that notes what is sent."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        self.parts.append(data)


def answering(method: str) -> tuple[Response, Sent]:
    """Return an answer to a request, and the socket to which it is sent."""
    request: Any = SimpleNamespace(method=method, version=(1, 1), should_close=lambda: False)
    configuration: Any = SimpleNamespace(protocol="http")
    socket: Any = Sent()
    return Response(request, socket, configuration), socket


def sent(*body: bytes, method: str = "GET", length: int | None = None, status: str = "200 OK") -> list[bytes]:
    """Return the parts in which gunicorn sends an answer with `body`, as its workers do."""
    answer, socket = answering(method)
    headers = [("Content-Type", "text/plain")] + ([] if length is None else [("Content-Length", str(length))])
    answer.start_response(status, headers)
    for part in body:
        answer.write(part)
    answer.close()
    return socket.parts


def test_head_and_body_are_sent_together() -> None:
    (whole,) = sent(b"hello", length=5)
    head, _, body = whole.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == b"hello"


def test_further_parts_are_sent_one_by_one() -> None:
    first, second = sent(b"hel", b"lo", length=5)
    assert first.endswith(b"\r\n\r\nhel")
    assert second == b"lo"


def test_chunks_keep_their_frames() -> None:
    first, second, end = sent(b"hel", b"lo")
    assert first.endswith(b"\r\n\r\n3\r\nhel\r\n")
    assert (second, end) == (b"2\r\nlo\r\n", b"0\r\n\r\n")


def test_large_part_is_sent_for_itself() -> None:
    large = b"x" * (MOST_TOGETHER + 1)
    head, body = sent(large, length=len(large))
    assert head.endswith(b"\r\n\r\n")
    assert body == large


@pytest.mark.parametrize(("method", "status"), [("HEAD", "200 OK"), ("GET", "304 NOT MODIFIED")])
def test_answer_without_body_is_its_head(method: str, status: str) -> None:
    for body in ((), (b"",), (b"hello",)):
        (head,) = sent(*body, method=method, status=status, length=5)
        assert head.endswith(b"\r\n\r\n")


def test_nothing_is_sent_of_what_is_no_body() -> None:
    answer, socket = answering("GET")
    answer.start_response("200 OK", [("Content-Length", "5")])
    with pytest.raises(TypeError):
        answer.write("hello")  # type: ignore[arg-type]
    assert socket.parts == []
