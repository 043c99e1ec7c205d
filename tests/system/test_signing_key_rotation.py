"""The key that signs tokens is replaced while the stack runs, as the README tells operators."""

from busy_clients import busy_clients
from clients import Stack, ValidatingClient
from containers import compose, compose_environment
from deadlines import until
from users import create_user


def test_no_request_fails_while_the_key_is_replaced(compose_stack: Stack) -> None:
    url = compose_stack["GATEWAY_URL"]
    key = create_user(compose_stack).post("/api/api-keys").json()["key"]

    def ask(client: ValidatingClient) -> int:
        return max(client.get("/api/api-keys").status, client.get("/api/collections").status)

    with busy_clients(url, key, ask) as counts:
        until(lambda: counts.total() > 0, 30, "nothing is answered")
        words = ("run", "--rm", "rotate-signing-key", "--spread", "2", "--keep", "2")
        said = compose(*words, env=compose_environment(compose_stack))
    assert "tokens are signed with the new key" in said
    assert set(counts) == {200}, counts
