"""Machines whose clocks are apart: up to a minute nothing is to be seen of it, beyond it the log says so."""

import re

import pytest

from clients import ValidatingClient
from web_stack import ANNA, WebStack


@pytest.mark.parametrize("clock_s", [-58, 58])
def test_a_minute_apart_is_not_noticed(web_stack: WebStack, clock_s: int) -> None:
    web_stack.start("auth", clock_s)
    web_stack.start("catalog")
    web_stack.start("gateway")
    anna = web_stack.anna()
    assert anna.get("/api/images").status == 200
    assert anna.post("/api/collections", json={"name": "holidays"}).status == 201
    assert anna.get("/api/api-keys").status == 200


@pytest.mark.parametrize("clock_s", [-180, 180])
def test_more_than_that_is_503_with_a_line_that_names_the_clocks(web_stack: WebStack, clock_s: int) -> None:
    web_stack.start("auth", clock_s)
    web_stack.start("catalog")
    web_stack.start("gateway")
    answer = web_stack.anna().get("/api/images")
    assert (answer.status, answer.code) == (503, "service-unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    (line,) = web_stack.lines("catalog", "the clocks of auth and this service are apart")
    assert abs(line["ahead_s"] - clock_s) <= 5
    assert re.match(r"\d{4}-\d\d-\d\dT", line["auths_clock"])
    assert re.match(r"\d{4}-\d\d-\d\dT", line["own_clock"])
    # What needs no other clock goes on working, and wrong credentials are still told from good ones.
    assert web_stack.anna().get("/api/api-keys").status == 200
    assert ValidatingClient(web_stack.url(), (ANNA[0], "wrong")).get("/api/images").status == 401


def test_good_credentials_are_never_401_where_a_service_has_another_key(web_stack: WebStack) -> None:
    web_stack.start("catalog")  # reads the public half of a key that is gone by the time that auth starts
    (web_stack.folder / "private.pem").unlink()
    web_stack.make_keys()
    web_stack.start("auth")
    web_stack.start("gateway")
    answer = web_stack.anna().get("/api/images")
    assert (answer.status, answer.code) == (503, "service-unavailable")
    assert web_stack.lines("catalog", "token refused")
    assert web_stack.lines("gateway", "service refuses the token that auth has just signed")
