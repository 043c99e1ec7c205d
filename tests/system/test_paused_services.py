"""Services that run and do not answer: who needs them is told so in time, and served again when they go on."""

import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from clients import Answer, Stack, ValidatingClient
from containers import COMPOSE_PROJECT, pause
from deadlines import until
from users import create_user

DEADLINE_S, SLACK_S = 20.0, 5.0  # as the gateway has it by default, and for a machine that has other work
BACK_S = 5.0  # 2 s are promised
NAMES = [f"paused-{number}" for number in range(10)]


@contextmanager
def paused(service: str) -> Iterator[None]:
    """Freeze all processes of a service; its sockets go on accepting."""
    container = f"{COMPOSE_PROJECT}-{service}-1"
    pause(container)
    try:
        yield
    finally:
        subprocess.run(["docker", "unpause", container], check=True, capture_output=True)


def test_who_needs_a_paused_service_is_told_so_in_time_and_served_when_it_goes_on(compose_stack: Stack) -> None:
    url = compose_stack["GATEWAY_URL"]
    key = create_user(compose_stack).post("/api/api-keys").json()["key"]
    by_key, anyone = ValidatingClient(url, key, timeout_s=60), ValidatingClient(url, timeout_s=60)

    def ask(method: str, target: str, name: str = "") -> tuple[Answer, float]:
        began = time.monotonic()
        client = ValidatingClient(url, key, timeout_s=60)
        answer = client.post(target, json={"name": name}) if name else client.send(method, target)
        return answer, time.monotonic() - began

    def is_refused(asked: Future[tuple[Answer, float]], *codes: str) -> None:
        answer, took_s = asked.result()
        assert answer.status == 503
        assert answer.code in codes
        assert int(answer.headers["Retry-After"]) > 0
        assert took_s < DEADLINE_S + SLACK_S

    with ThreadPoolExecutor(len(NAMES) + 2) as pool:
        with paused("catalog"):
            changes = [pool.submit(ask, "POST", "/api/collections", name) for name in NAMES]
            reading = pool.submit(ask, "GET", "/api/c/no-such")
            assert by_key.get("/api/api-keys").status == 200  # this needs no catalog
            with paused("auth"):
                signing_in = pool.submit(ask, "GET", "/api/api-keys")
                is_refused(signing_in, "service-unavailable")
                is_refused(reading, "service-unavailable")
                for change in changes:
                    is_refused(change, "outcome-unknown", "service-unavailable")
            until(lambda: by_key.get("/api/api-keys").status == 200, BACK_S, "auth is not asked again")
        until(lambda: anyone.get("/api/c/no-such").status == 404, BACK_S, "catalog is not asked again")
    # None of the changes that were refused was made, or else the name would be taken.
    assert [by_key.post("/api/collections", json={"name": name}).status for name in NAMES] == [201] * len(NAMES)
