"""Web services show the metrics of all their processes at one port; test_one_picture.py looks at all services."""

import http.client
import os
import re
import signal
import socket
from collections import Counter
from pathlib import Path

import pytest
import requests

from deadlines import until
from web_stack import WebStack
from whole_stack import Stack, children, total


@pytest.fixture
def stack(web_stack: WebStack) -> Stack:
    return Stack(web_stack)


# --- web processes ---


def test_port_shows_the_sum_over_all_web_processes(stack: Stack) -> None:
    stack.start()
    anna = stack.web.anna()
    answers = Counter(anna.get("/api/images").status for _ in range(20))
    answers[anna.get("/api/images/none").status] += 1
    answers[anna.get("/nothing").status] += 1
    assert answers == {200: 20, 404: 2}
    requests_of = stack.families("gateway")["imghost_http_request_duration_seconds"]
    assert total(requests_of, "_count", method="GET", route="/api/images", status="2xx") == 20
    assert total(requests_of, "_count", route="/api/images/<key:s3_key>", status="4xx") == 1
    assert total(requests_of, "_count", method="other", route="none", status="4xx") == 1
    assert total(stack.families("auth").get("imghost_http_request_duration_seconds"), "_count", route="/tokens") == 21
    of_catalog = stack.families("catalog").get("imghost_http_request_duration_seconds")
    assert total(of_catalog, "_count", route="/images", status="2xx") == 20
    calls = stack.families("gateway")["imghost_service_call_duration_seconds"]
    assert (total(calls, "_count", service="auth"), total(calls, "_count", service="catalog")) == (21, 21)
    hashes = stack.families("auth")["imghost_password_hash_duration_seconds"]
    assert 1 <= total(hashes, "_count", purpose="verify") <= 2  # each process remembers a right password
    assert total(stack.families("auth")["imghost_authentications_total"], "_total", outcome="ok") == 21


def test_counts_of_web_processes_that_were_killed_are_kept_and_their_gauges_are_not(stack: Stack) -> None:
    stack.start()
    anna = stack.web.anna()
    for _ in range(6):
        assert anna.get("/api/images").status == 200
    gateway = stack.web.processes["gateway"]

    def connections() -> float:
        return total(stack.families("gateway").get("imghost_client_connections"))

    with socket.create_connection(("127.0.0.1", stack.web.ports["gateway"]), timeout=10) as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\n")  # and nothing more
        until(lambda: connections() == 2, 5, "this connection and that of the client are not shown")
        killed = children(gateway)
        assert len(killed) == 2
        for process in killed:
            os.kill(process, signal.SIGKILL)
        until(lambda: len(set(children(gateway)) - set(killed)) == 2, 20, "the processes are not replaced")
    until(lambda: connections() == 0, 10, "connections of processes that have ended are shown")
    assert stack.served() == 6
    until(lambda: requests.get(f"{stack.web.url()}/healthz", timeout=20).ok, 20, "the new processes do not answer")
    assert stack.web.anna().get("/api/images").status == 200
    assert stack.served() == 7


def test_nothing_is_left_of_the_metrics_when_a_service_ends(stack: Stack) -> None:
    stack.start()
    process = stack.web.processes.pop("catalog")
    mapped = Path(f"/proc/{children(process)[0]}/maps").read_text()
    (folder,) = {Path(found) for found in re.findall(r"\S*/imghost-metrics-[^/\s]+", mapped)}
    assert folder.is_dir()
    process.terminate()
    assert process.wait(30) == 0
    assert not folder.exists()


def test_wrong_passwords_and_unreadable_requests_are_counted_by_reason(stack: Stack) -> None:
    stack.start(FREE_FAILURES="1")
    guesser = requests.Session()
    statuses = [
        guesser.get(f"{stack.web.url()}/api/images", auth=("anna", "wrong"), timeout=10).status_code for _ in range(3)
    ]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    auth = stack.families("auth")
    assert total(auth["imghost_throttled_requests_total"], "_total", reason="account") == statuses.count(429)
    outcomes = auth["imghost_authentications_total"]
    assert total(outcomes, "_total", outcome="unauthorized") == statuses.count(401)
    assert total(outcomes, "_total", outcome="too-many-attempts") == statuses.count(429)
    connection = http.client.HTTPConnection("127.0.0.1", stack.web.ports["gateway"], timeout=10)
    connection.putrequest("GET", "/healthz", skip_host=True)
    connection.endheaders()
    assert connection.getresponse().status == 400
    connection.close()
    refused = stack.families("gateway")["imghost_refused_requests_total"]
    until(lambda: total(refused, "_total", reason="unreadable") == 1, 5, "the request is not counted")
