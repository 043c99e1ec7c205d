"""Scopes: what an API key may be used for, as a password of Basic and as Bearer alike."""

from collections.abc import Callable
from typing import Any

import pytest

from clients import Stack, ValidatingClient, path

# What a key with one scope may do; everything else is refused to it.
ALLOWED = {
    "read": [
        ("GET", "/api/images"),
        ("HEAD", "/api/images"),
        ("GET", "/api/images/no/such"),
        ("HEAD", "/api/images/no/such"),
        ("GET", "/api/collections"),
        ("GET", "/api/collections/no-such"),
        ("GET", "/api/collections/no-such/images"),
        ("GET", "/api/collections/no-such/images/x"),
        ("GET", "/api/users/no-such"),
    ],
    "write": [
        ("POST", "/api/images"),
        ("POST", "/api/images/batch"),
        ("PUT", "/api/images/no/such"),
        ("DELETE", "/api/images/no/such"),
        ("POST", "/api/collections"),
        ("DELETE", "/api/collections/no-such"),
        ("POST", "/api/collections/no-such/images"),
        ("PUT", "/api/collections/no-such/images/x"),
        ("DELETE", "/api/collections/no-such/images/x"),
    ],
    "upload": [
        ("GET", "/api/signed-post"),
        ("HEAD", "/api/signed-post"),
        ("POST", "/api/signed-put"),
        ("POST", "/api/images"),
        ("POST", "/api/images/batch"),
        ("POST", "/api/uploads"),
        ("PUT", "/api/uploads/x"),
    ],
    "keys": [
        ("GET", "/api/api-keys"),
        ("POST", "/api/api-keys"),
        ("GET", "/api/api-keys/aaaaaaaaaaaaaaaa"),
        ("PUT", "/api/api-keys/aaaaaaaaaaaaaaaa"),
        ("DELETE", "/api/api-keys/aaaaaaaaaaaaaaaa"),
        ("POST", "/api/api-keys/aaaaaaaaaaaaaaaa/rotation"),
    ],
}
OPERATIONS = sorted({operation for operations in ALLOWED.values() for operation in operations})

MakeKey = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def make_key(alice: ValidatingClient) -> MakeKey:
    def make(**fields: Any) -> dict[str, Any]:
        answer = alice.post("/api/api-keys", json=fields)
        assert answer.status == 201, answer.body
        document: dict[str, Any] = answer.json()
        return document

    return make


def body_of(method: str) -> dict[str, Any]:
    """Return the options of a request that makes nothing, for its field is unknown; the scope is looked at first."""
    return {"json": {"no": "such"}} if method in {"POST", "PUT"} else {}


def both(stack: Stack, key: str) -> tuple[ValidatingClient, ValidatingClient]:
    """Return a client that sends `key` as Bearer token, and one that sends it as password."""
    return ValidatingClient(stack["GATEWAY_URL"], key), ValidatingClient(stack["GATEWAY_URL"], ("any", key))


@pytest.mark.parametrize("scope", ALLOWED)
def test_a_key_with_one_scope_may_do_what_that_is_for_and_nothing_else(
    stack: Stack, make_key: MakeKey, scope: str
) -> None:
    for client in both(stack, make_key(scopes=[scope])["key"]):
        for method, target in OPERATIONS:
            answer = client.send(method, target, **body_of(method))
            if (method, target) in ALLOWED[scope]:
                assert answer.status not in {401, 403}, (method, target)
                continue
            assert answer.status == 403, (method, target)
            assert method == "HEAD" or answer.code == "insufficient-scope"
            needed = next(name for name in ("read", "upload", "write", "keys") if (method, target) in ALLOWED[name])
            assert answer.headers["WWW-Authenticate"] == f'Bearer error="insufficient_scope", scope="{needed}"'
        client.close()


def test_a_key_has_all_scopes_unless_some_are_asked_for(stack: Stack, make_key: MakeKey) -> None:
    made = make_key()
    assert made["scopes"] == ["read", "write", "upload", "keys"]
    for client in both(stack, made["key"]):
        for method, target in OPERATIONS:
            answer = client.send(method, target, **body_of(method))
            assert answer.status not in {401, 403}, (method, target)
        client.close()


@pytest.mark.parametrize(
    ("asked", "shown"),
    [(["keys", "read"], ["read", "keys"]), (["upload", "keys", "write", "read"], ["read", "write", "upload", "keys"])],
)
def test_scopes_are_shown_in_one_order(alice: ValidatingClient, asked: list[str], shown: list[str]) -> None:
    for sent in ({"json": {"scopes": asked}}, {"form": {"scopes": " ".join(asked)}}):
        made = alice.post("/api/api-keys", **sent).json()
        assert made["scopes"] == shown
        assert alice.get(made["uri"]).json()["scopes"] == shown
        assert alice.delete(made["uri"]).status == 204


@pytest.mark.parametrize(
    "scopes",
    [
        [],
        ["read", "read"],
        ["admin"],
        ["read", 1],
        ["Read"],
        [["read"]],
        [None],
        "read",
        "",
        {"read": True},
        None,
        True,
    ],
)
def test_scopes_are_a_list_of_some_that_exist_each_once(alice: ValidatingClient, scopes: Any) -> None:
    answer = alice.post("/api/api-keys", json={"scopes": scopes})
    assert (answer.status, answer.code, answer.faulty_fields) == (422, "invalid-fields", {"/scopes"})


@pytest.mark.parametrize("scopes", ["", " ", "read  write", "read,write", "read read", " read", "all", '["read"]'])
def test_scopes_of_a_form_are_words_with_spaces_between(alice: ValidatingClient, scopes: str) -> None:
    answer = alice.post("/api/api-keys", form={"scopes": scopes})
    assert (answer.status, answer.faulty_fields) == (422, {"/scopes"})


def test_scopes_never_change(alice: ValidatingClient, make_key: MakeKey) -> None:
    made = make_key(scopes=["read"])
    answer = alice.put(made["uri"], json={"scopes": ["read", "write"]})
    assert (answer.status, answer.faulty_fields) == (422, {"/scopes"})
    assert alice.get(made["uri"]).json()["scopes"] == ["read"]


@pytest.mark.parametrize("by", ["id", "key"])
def test_any_key_may_show_and_revoke_itself(stack: Stack, make_key: MakeKey, by: str) -> None:
    for number in (0, 1):
        made = make_key(scopes=["upload"])
        client, target = both(stack, made["key"])[number], path("api-keys", made[by])
        assert client.get(target).json()["id"] == made["id"]
        assert client.head(target).status == 200
        assert client.put(target, json={"description": "x"}).code == "insufficient-scope"
        assert client.post(f"{target}/rotation").code == "insufficient-scope"
        assert client.delete(target).status == 204
        assert client.get(target).status == 401


def test_a_key_without_the_scope_learns_nothing_of_other_keys(stack: Stack, make_key: MakeKey) -> None:
    other, client = make_key(scopes=["read"]), both(stack, make_key(scopes=["read"])["key"])[0]
    for key in (other["id"], other["key"], "aaaaaaaaaaaaaaaa", "no-such"):
        for method in ("GET", "DELETE"):
            assert client.send(method, path("api-keys", key)).code == "insufficient-scope"
    assert both(stack, other["key"])[0].get(other["uri"]).status == 200


def test_no_scope_is_enough_to_change_the_password(stack: Stack, alice: ValidatingClient, make_key: MakeKey) -> None:
    for scopes in (["read"], ["keys"], ["read", "write", "upload", "keys"]):
        client = both(stack, make_key(scopes=scopes)["key"])[0]
        answer = client.put(path("users", alice.username), json={"current_password": "x", "password": "long enough"})
        assert (answer.status, answer.code) == (403, "password-required")


def test_an_uploader_needs_one_scope_only(
    stack: Stack, alice: ValidatingClient, make_key: MakeKey, prefix: str
) -> None:
    uploader, _ = both(stack, make_key(scopes=["upload"])["key"])
    key = f"{prefix}/a.jpg"
    made = uploader.post("/api/images", json={"s3_key": key, "s3_bucket": stack["S3_BUCKET"]})
    assert made.status == 201
    assert uploader.get(f"/api/i/{key}").status == 200
    assert uploader.get(made.json()["uri"]).code == "insufficient-scope"
    assert uploader.delete(made.json()["uri"]).code == "insufficient-scope"
    assert alice.delete(made.json()["uri"]).status == 204
