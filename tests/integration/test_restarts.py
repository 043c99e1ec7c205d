"""What a service does that is told to end, seen by the gateway's connections to it."""

import http.client
import time

import pytest

from gateway.kept_connections import REUSED_FOR_S
from web_stack import WebStack


@pytest.mark.parametrize("service", ["auth", "catalog"])
def test_ending_service_answers_on_a_kept_connection_while_the_gateway_may_use_it(
    web_stack: WebStack, service: str
) -> None:
    web_stack.start(service)
    connection = http.client.HTTPConnection("127.0.0.1", web_stack.ports[service])

    def status() -> tuple[int, str | None]:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("Connection")

    assert status() == (200, "keep-alive")
    ending = web_stack.processes.pop(service)
    ending.terminate()
    time.sleep(REUSED_FOR_S + 0.5)  # the margin that a slow machine has
    assert status() == (200, "close")
    assert ending.wait(30) == 0
