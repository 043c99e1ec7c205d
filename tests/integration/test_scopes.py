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
from auth.rate_limits import RateLimits
from auth.web.app import make_flask as auth_flask
from catalog.adapters.store import Store as CatalogStore
from catalog.bootstrap import App as CatalogApp
from catalog.web.app import make_flask as catalog_flask
from catalog_steps import BUCKETS
from chassis import token_keys, tokens
from chassis.database.database import Database
from chassis.token_keys import SigningKeys
from chassis.tokens import Principal
from chassis.web.access import Rules
from chassis.web.paging import PAGE_BYTES

NAMED = {"s3_key": "a", "name": "b", "id": "aaaaaaaaaaaaaaaa", "username": "anna"}


@pytest.fixture
def signing_keys(tmp_path: Path) -> SigningKeys:
    token_keys.create_files(tmp_path / "private", tmp_path / "public")
    return SigningKeys(tmp_path / "private")


def demand_scopes(service: FlaskClient, audience: str, keys: SigningKeys, rules: Rules) -> None:
    """Send a request to every private operation with a key that has all scopes but those that it takes."""
    for operation, rule in rules.items():
        if rule is None:
            continue
        method, path = operation.split()
        for scopes in (set(), set(SCOPES) - set(rule.scopes)):
            caller = Principal("id", "anna", "key", frozenset(scopes), "bbbbbbbbbbbbbbbb")
            headers = {"Authorization": f"Bearer {tokens.sign(keys.signing(), audience, caller)}"}
            answer = service.open(path, method=method, headers=headers, query_string=NAMED)
            assert (answer.status_code, answer.get_json()["code"]) == (403, "insufficient-scope"), operation


def test_every_private_operation_of_auth_refuses_a_key_without_its_scope(
    auth_database: Database[AuthStore], signing_keys: SigningKeys
) -> None:
    authenticator = Authenticator(auth_database, Verifier(1, 9, 1, 1), Policy(3, 300, 1000, 100))
    app = AuthApp(auth_database, authenticator, signing_keys, RateLimits(auth_database, {}))
    demand_scopes(auth_flask(app).test_client(), "auth", signing_keys, auth.web.access.RULES)


def test_every_private_operation_of_catalog_refuses_a_key_without_its_scope(
    catalog_database: Database[CatalogStore], signing_keys: SigningKeys
) -> None:
    app = CatalogApp(catalog_database, BUCKETS, None, signing_keys, PAGE_BYTES)
    demand_scopes(catalog_flask(app).test_client(), "catalog", signing_keys, catalog.web.access.RULES)
