"""Who may call: Basic with a password or an API key, Bearer with an API key, and nobody else."""

import base64

import pytest

from clients import NewUser, Stack, ValidatingClient
from deadlines import until

PRIVATE = [
    ("GET", "/api/images"),
    ("HEAD", "/api/images"),
    ("POST", "/api/images"),
    ("GET", "/api/images/no/such"),
    ("PUT", "/api/images/no/such"),
    ("DELETE", "/api/images/no/such"),
    ("GET", "/api/collections"),
    ("POST", "/api/collections"),
    ("GET", "/api/collections/no-such"),
    ("DELETE", "/api/collections/no-such"),
    ("GET", "/api/collections/no-such/images"),
    ("GET", "/api/collections/no-such/images/x"),
    ("PUT", "/api/collections/no-such/images/x"),
    ("DELETE", "/api/collections/no-such/images/x"),
    ("GET", "/api/api-keys"),
    ("POST", "/api/api-keys"),
    ("GET", "/api/api-keys/no-such"),
    ("PUT", "/api/api-keys/no-such"),
    ("DELETE", "/api/api-keys/no-such"),
    ("POST", "/api/api-keys/no-such/rotation"),
    ("GET", "/api/signed-post"),
    ("POST", "/api/signed-put"),
    ("GET", "/api/users/no-such"),
    ("PUT", "/api/users/no-such"),
]


def basic(text: bytes) -> str:
    return "Basic " + base64.b64encode(text).decode()


@pytest.fixture(scope="module")
def api_key(alice: ValidatingClient) -> str:
    return str(alice.post("/api/api-keys", json={"description": "test_credentials"}).json()["key"])


@pytest.mark.parametrize(("method", "target"), PRIVATE)
def test_private_resources_need_credentials(anyone: ValidatingClient, method: str, target: str) -> None:
    answer = anyone.send(method, target)
    assert (answer.status, answer.code) == (401, "credentials-required" if method != "HEAD" else "")
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="imghost", charset="UTF-8"'
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("username", ["", "any", "not a user", "ä", "x" * 300, "admin"])
def test_an_api_key_is_a_password_with_any_username(stack: Stack, api_key: str, username: str) -> None:
    assert ValidatingClient(stack["GATEWAY_URL"], (username, api_key)).get("/api/images?limit=1").status == 200


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_an_api_key_may_be_sent_as_bearer(anyone: ValidatingClient, api_key: str, scheme: str) -> None:
    answer = anyone.get("/api/images?limit=1", headers={"Authorization": f"{scheme} {api_key}"})
    assert answer.status == 200


@pytest.mark.parametrize("value", [None, "", " "])
def test_missing_credentials_are_told_from_wrong_ones(anyone: ValidatingClient, value: str | None) -> None:
    answer = anyone.get("/api/images", headers={} if value is None else {"Authorization": value})
    assert (answer.status, answer.code) == (401, "credentials-required")
    assert "Send a username and password" in answer.json()["detail"]


@pytest.mark.parametrize(
    "value",
    [
        "Basic",
        "Basic ",
        "Basic !!!!",
        "Basic YQ",
        basic(b"no colon"),
        basic(b"\xff\xfe:\xff"),
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Bearer imgh_aaaaaaaaaaaaaaaa_bbbb",
        basic(b"any:imgh_aaaaaaaaaaaaaaaa_bbbb"),  # a key that is cut or mistyped
        "Digest username=x",
        "Negotiate abc",
        "Token abc",
        "nonsense",
    ],
)
def test_malformed_credentials_are_told_from_wrong_ones(anyone: ValidatingClient, value: str) -> None:
    answer = anyone.get("/api/images", headers={"Authorization": value})
    assert (answer.status, answer.code) == (401, "malformed-credentials")


@pytest.mark.parametrize("text", [b":", b"a\0b:c\0d", b"nobody:" + b"x" * 5000], ids=range(3))
def test_wrong_credentials_are_401(anyone: ValidatingClient, text: bytes) -> None:
    answer = anyone.get("/api/images", headers={"Authorization": basic(text)})
    assert (answer.status, answer.code) == (401, "unauthorized")
    assert "wrong" in answer.json()["detail"]


def test_wrong_user_and_wrong_password_give_the_same_answer(stack: Stack, new_user: NewUser) -> None:
    username = new_user().username
    bodies = []
    for wrong in ((username, "wrong password"), (f"{username}-not", "wrong password")):
        answer = ValidatingClient(stack["GATEWAY_URL"], wrong).get("/api/images", headers={"X-Request-ID": "same"})
        assert answer.status == 401
        bodies.append(answer.body)
    assert bodies[0] == bodies[1]


def test_a_key_whose_last_character_differs_is_refused(anyone: ValidatingClient, api_key: str) -> None:
    other = api_key[:-1] + ("a" if api_key[-1] != "a" else "b")
    assert anyone.get("/api/images", headers={"Authorization": f"Bearer {other}"}).status == 401


def test_a_password_is_no_bearer_token(stack: Stack) -> None:
    client = ValidatingClient(stack["GATEWAY_URL"], stack["IMGHOST_PASSWORD"])
    assert client.get("/api/images").status == 401


def test_identity_headers_from_outside_count_for_nothing(anyone: ValidatingClient, stack: Stack) -> None:
    name = stack["IMGHOST_USERNAME"]
    headers = {"X-User": name, "X-Forwarded-User": name, "X-Principal": name, "Remote-User": name}
    assert anyone.get("/api/images", headers=headers).status == 401


def test_guessing_passwords_is_slowed_down_and_a_valid_key_never_is(stack: Stack, new_user: NewUser) -> None:
    owner = new_user()
    key = owner.post("/api/api-keys").json()["key"]
    guesser = ValidatingClient(stack["GATEWAY_URL"], (owner.username, "wrong password"))

    def refused() -> bool:
        answer = guesser.get("/api/images")
        assert answer.status in {401, 429}
        return answer.status == 429

    until(refused, 20, "guesses are slowed down")
    assert int(guesser.get("/api/images").headers["Retry-After"] or "0") >= 1
    assert ValidatingClient(stack["GATEWAY_URL"], key).get("/api/images").status == 200
    assert ValidatingClient(stack["GATEWAY_URL"], (owner.username, key)).get("/api/images").status == 200
