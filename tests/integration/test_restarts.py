"""Services that end, start again, or are about to close an idle connection: no request of the gateway is lost."""

import http.client
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from deadlines import until
from gateway.kept_connections import REUSED_FOR_S
from web_stack import WebStack

# SPACED_POSTS=10000 for the whole proof, which takes five minutes.
SPACED_POSTS = int(os.environ.get("SPACED_POSTS", "600"))
CLIENTS = 40


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


def test_posts_that_are_spaced_at_the_limit_of_kept_connections_all_arrive(web_stack: WebStack) -> None:
    web_stack.start_all()
    key = web_stack.anna().post("/api/api-keys", json={}).json()["key"]

    def post(client: int) -> list[int]:
        pauses = random.Random(client)
        statuses = []
        gateway = http.client.HTTPConnection("127.0.0.1", web_stack.ports["gateway"], timeout=30)
        with closing(gateway) as connection:
            for number in range(SPACED_POSTS // CLIENTS):
                time.sleep(REUSED_FOR_S + pauses.uniform(-0.02, 0.02))
                body = f'{{"name": "c{client}-{number}"}}'
                headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
                connection.request("POST", "/api/collections", body, headers)
                answer = connection.getresponse()
                answer.read()
                statuses.append(answer.status)
        return statuses

    with ThreadPoolExecutor(CLIENTS) as pool:
        statuses = [status for client in pool.map(post, range(CLIENTS)) for status in client]
    assert statuses == [201] * (SPACED_POSTS // CLIENTS * CLIENTS)


@pytest.mark.parametrize("service", ["auth", "catalog"])
def test_gateway_needs_no_restart_when_a_service_comes_back(web_stack: WebStack, service: str) -> None:
    web_stack.start_all()
    anna = web_stack.anna()
    assert anna.get("/api/collections").status == 200
    web_stack.stop(service)
    began = time.monotonic()
    answer = anna.get("/api/collections")
    assert (answer.status, answer.code) == (503, "service-unavailable")
    assert time.monotonic() - began < 5
    web_stack.start(service)
    until(lambda: anna.get("/api/collections").status == 200, 2, "the gateway does not notice")
