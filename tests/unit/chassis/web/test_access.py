from pathlib import Path

import pytest
from flask import Response
from flask.testing import FlaskClient

from chassis import token_keys, tokens
from chassis.token_keys import SigningKeys
from chassis.tokens import Principal
from chassis.web import access
from chassis.web.access import OPEN, Rule, Rules
from chassis.web.app import base_flask

RULES: Rules = {
    "GET /open": OPEN,
    "GET /pictures": Rule(("read",)),
    "POST /pictures": Rule(("upload", "write")),
    "GET /key": Rule(("read",)),
    "GET /mine": Rule(("keys",), lambda caller: caller.key_id == "mine"),
}
ALL = frozenset({"read", "write", "upload", "keys"})


@pytest.fixture
def keys(tmp_path: Path) -> SigningKeys:
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    token_keys.create_files(private, public)
    return SigningKeys(private)


def service(keys: SigningKeys, rules: Rules = RULES) -> FlaskClient:
    app = base_flask("test", {}, {}, {})
    for operation in ("GET /open", "GET /pictures", "POST /pictures", "GET /mine"):
        method, path = operation.split()
        app.add_url_rule(path, operation, lambda: Response(status=204), methods=[method])
    app.add_url_rule("/key", "GET /key", lambda: str(access.caller().key_id))
    access.guard(app, rules, keys, "test")
    return app.test_client()


def token(keys: SigningKeys, scopes: frozenset[str] | None, key_id: str | None = "other") -> dict[str, str]:
    caller = Principal("id", "anna", "key", scopes, key_id)
    return {"Authorization": f"Bearer {tokens.sign(keys.signing(), 'test', caller)}"}


def test_service_starts_only_with_a_rule_for_every_operation(keys: SigningKeys) -> None:
    for rules in ({**RULES, "PUT /pictures": OPEN}, {name: RULES[name] for name in RULES if name != "POST /pictures"}):
        with pytest.raises(ValueError, match=r"(PUT|POST) /pictures"):
            service(keys, rules)


@pytest.mark.parametrize(
    ("operation", "enough"),
    [
        ("GET /pictures", [{"read"}, {"read", "keys"}]),
        ("HEAD /pictures", [{"read"}]),
        ("POST /pictures", [{"upload"}, {"write"}]),
        ("GET /mine", [{"keys"}]),
    ],
)
def test_one_of_the_scopes_is_needed_and_enough(keys: SigningKeys, operation: str, enough: list[set[str]]) -> None:
    client, (method, path) = service(keys), operation.split()
    for scopes in enough:
        assert client.open(path, method=method, headers=token(keys, frozenset(scopes))).status_code == 204
    assert client.open(path, method=method, headers=token(keys, None)).status_code == 204
    for others in (frozenset[str](), ALL.difference(*enough)):
        answer = client.open(path, method=method, headers=token(keys, others))
        assert answer.status_code == 403


def test_refusal_names_the_scopes_and_in_the_header_the_narrowest(keys: SigningKeys) -> None:
    answer = service(keys).post("/pictures", headers=token(keys, frozenset({"read"})))
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="upload"'
    assert answer.get_json()["code"] == "insufficient-scope"
    assert "upload or write" in answer.get_json()["detail"]


def test_exception_of_a_rule_admits_without_a_scope_and_never_without_a_token(keys: SigningKeys) -> None:
    client = service(keys)
    assert client.get("/mine", headers=token(keys, frozenset(), "mine")).status_code == 204
    assert client.get("/mine", headers=token(keys, frozenset(), None)).status_code == 403
    assert client.get("/mine").status_code == 401


def test_only_what_is_open_needs_no_token(keys: SigningKeys) -> None:
    client = service(keys)
    assert client.get("/open").status_code == 204
    assert client.get("/healthz").status_code == 200
    assert client.get("/pictures").status_code == 401
    assert client.options("/pictures").status_code == 405
    assert client.get("/none").status_code == 404


def test_caller_is_known_to_the_views(keys: SigningKeys) -> None:
    answer = service(keys).get("/key", headers=token(keys, frozenset({"read"})))
    assert answer.text == "other"
