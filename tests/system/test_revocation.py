"""API keys are revoked while programs use them: theirs is refused from then on, and nobody else notices."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from busy_clients import busy_clients
from clients import NewUser, Stack, ValidatingClient
from deadlines import until

REVOKED = 8
REFUSALS = 3  # after so many a program gives up


def list_collections(client: ValidatingClient) -> int:
    return client.get("/api/collections?limit=1").status


def test_keys_are_revoked_under_load(stack: Stack, new_user: NewUser) -> None:
    owner = new_user()
    kept, *others = (owner.post("/api/api-keys").json() for _ in range(REVOKED + 1))
    asked = {key["id"]: Event() for key in others}

    def use(key: dict[str, str]) -> list[tuple[float, int]]:
        """Use a key until it is refused; return when each request was sent, and the status of its answer."""
        client = ValidatingClient(stack["GATEWAY_URL"], key["key"])
        answers: list[tuple[float, int]] = []
        while [status for _, status in answers].count(401) < REFUSALS:
            began = time.monotonic()
            answers.append((began, list_collections(client)))
            asked[key["id"]].set()
        client.close()
        return answers

    with (
        busy_clients(stack["GATEWAY_URL"], kept["key"], list_collections) as counts,
        ThreadPoolExecutor(REVOKED) as pool,
    ):
        using = {key["id"]: pool.submit(use, key) for key in others}
        until(lambda: all(each.is_set() for each in asked.values()), 30, "not all keys are used")
        revoked = {}
        for key in others:
            assert owner.delete(key["uri"]).status == 204
            revoked[key["id"]] = time.monotonic()
        answers = {key_id: each.result(30) for key_id, each in using.items()}
    assert set(counts) == {200}, counts
    for key_id, of_key in answers.items():
        assert {status for _, status in of_key} == {200, 401}
        assert {status for began, status in of_key if began > revoked[key_id]} == {401}
