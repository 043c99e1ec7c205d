"""The services themselves refuse a key without the scope, whatever the gateway lets through."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient

import auth.web.access
import catalog.web.access
from auth.adapters.store import Store as AuthStore
from auth.authentication import Authenticator, Policy
from auth.bootstrap import App as AuthApp
from auth.domain import SCOPES
from auth.passwords import Verifier
from auth.web.app import make_flask as auth_flask
from catalog.adapters.store import Store as CatalogStore
from catalog.bootstrap import App as CatalogApp
from catalog.web.app import make_flask as catalog_flask
from catalog_steps import BUCKETS
from chassis import tokens
from chassis.database.database import Database
from chassis.tokens import Principal
from chassis.web.access import Rules
from chassis.web.paging import PAGE_BYTES

NAMED = {"s3_key": "a", "name": "b", "id": "aaaaaaaaaaaaaaaa", "username": "anna"}


@pytest.fixture
def private_key(tmp_path: Path) -> str:
    tokens.create_key_files(tmp_path / "private", tmp_path / "public")
    return (tmp_path / "private").read_text()


def demand_scopes(service: FlaskClient, audience: str, private_key: str, rules: Rules) -> None:
    """Send a request to every private operation with a key that has all scopes but those that it takes."""
    for operation, rule in rules.items():
        if rule is None:
            continue
        method, path = operation.split()
        for scopes in (set(), set(SCOPES) - set(rule.scopes)):
            caller = Principal("id", "anna", "key", frozenset(scopes), "bbbbbbbbbbbbbbbb")
            headers = {"Authorization": f"Bearer {tokens.sign(private_key, audience, caller)}"}
            answer = service.open(path, method=method, headers=headers, query_string=NAMED)
            assert (answer.status_code, answer.get_json()["code"]) == (403, "insufficient-scope"), operation


def test_every_private_operation_of_auth_refuses_a_key_without_its_scope(
    auth_database: Database[AuthStore], private_key: str
) -> None:
    authenticator = Authenticator(auth_database, Verifier(1, 9, 1, 1), Policy(3, 300, 1000, 100))
    app = AuthApp(auth_database, authenticator, private_key, tokens.public_key_of(private_key))
    demand_scopes(auth_flask(app).test_client(), "auth", private_key, auth.web.access.RULES)


def test_every_private_operation_of_catalog_refuses_a_key_without_its_scope(
    catalog_database: Database[CatalogStore], private_key: str
) -> None:
    app = CatalogApp(catalog_database, BUCKETS, None, tokens.public_key_of(private_key), PAGE_BYTES)
    demand_scopes(catalog_flask(app).test_client(), "catalog", private_key, catalog.web.access.RULES)
