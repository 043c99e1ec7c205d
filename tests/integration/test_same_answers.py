"""The same sequence of requests gives the same answers on SQLite and on PostgreSQL."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from auth.authentication import Authenticator, Policy
from auth.bootstrap import App as AuthApp
from auth.bootstrap import make_database as auth_database
from auth.passwords import Verifier
from auth.rate_limits import RateLimits
from auth.settings import DatabaseSettings as AuthSettings
from auth.use_cases import create_user
from auth.web.app import make_flask as auth_flask
from catalog.bootstrap import App as CatalogApp
from catalog.bootstrap import make_database as catalog_database
from catalog.settings import DatabaseSettings as CatalogSettings
from catalog.web.app import make_flask as catalog_flask
from catalog_steps import BUCKETS, Steps
from chassis import token_keys, tokens
from chassis.token_keys import SigningKeys
from chassis.tokens import Principal
from chassis.web.paging import PAGE_BYTES

Answer = tuple[str, str, int, Any, dict[str, str]]

KEYS = ["b", "a/b c.jpg", "ä/🏔.png", "100%", "a%2Fb", "A", "a"]
# What differs each time: moments, ids, secrets, and what is made of them.
DRAWN = re.compile(
    r"\d{4}-\d\d-\d\dT[\d:.]+(\+00:00|Z)|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|imgh_[a-z2-7]{16}_[a-z2-7]{39}|\b[a-z2-7]{16}\b|\b[0-9a-f]{32}\b|cursor=[A-Za-z0-9_-]+"
)


class Recorder:
    """Sends requests to the two services and records their answers."""

    def __init__(self, auth: FlaskClient, catalog: FlaskClient, keys: SigningKeys, callers: list[Principal]) -> None:
        self._clients = {"auth": auth, "catalog": catalog}
        self._keys = keys
        self._callers = callers
        self.answers: list[Answer] = []

    def __call__(self, service: str, method: str, path: str, caller: int | None = 0, **options: Any) -> Any:
        headers = dict(options.pop("headers", {}))
        if caller is not None:
            token = tokens.sign(self._keys.signing(), service, self._callers[caller])
            headers["Authorization"] = f"Bearer {token}"
        answer = self._clients[service].open(path, method=method, headers=headers, **options)
        shown = {name: answer.headers[name] for name in ("Location", "Link") if name in answer.headers}
        text = DRAWN.sub("*", json.dumps([answer.get_json(silent=True), shown], sort_keys=True))
        self.answers.append((method, DRAWN.sub("*", path), answer.status_code, *json.loads(text)))
        return answer


@pytest.fixture
def urls(tmp_path: Path, postgres_url: str) -> Iterator[dict[str, tuple[str, str]]]:
    """URLs for auth and catalog, by the kind of database."""
    import sqlalchemy as sa  # noqa: PLC0415

    names = ["same_auth", "same_catalog"]
    server = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with server.connect() as connection:
        for name in names:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
    auth, catalog = (
        sa.make_url(postgres_url).set(database=name).render_as_string(hide_password=False) for name in names
    )
    yield {
        "sqlite": (f"sqlite:///{tmp_path}/auth.db", f"sqlite:///{tmp_path}/catalog.db"),
        "postgresql": (auth, catalog),
    }
    with server.connect() as connection:
        for name in names:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


def test_same_requests_give_the_same_answers(urls: dict[str, tuple[str, str]], tmp_path: Path) -> None:
    token_keys.create_files(tmp_path / "private", tmp_path / "public")
    told = {kind: play(*pair, SigningKeys(tmp_path / "private")) for kind, pair in urls.items()}
    assert len(told["sqlite"]) > 60
    assert told["sqlite"] == told["postgresql"]
    assert {status for _, _, status, _, _ in told["sqlite"]} >= {200, 201, 204, 304, 401, 404, 409, 412, 422}


def play(auth_url: str, catalog_url: str, keys: SigningKeys) -> list[Answer]:
    """Send the whole sequence to services on one pair of databases; return their answers."""
    users = auth_database(AuthSettings(database_url=auth_url))
    pictures = catalog_database(CatalogSettings(database_url=catalog_url))
    users.migrate()
    pictures.migrate()
    made = [users.transact(create_user, name, "unusable") for name in ("anna", "bert")]
    callers = [Principal(user.user_id, user.username, "password") for user in made]
    authenticator = Authenticator(users, Verifier(1, 9, 1, 1), Policy(3, 300, 1000, 100))
    auth = auth_flask(AuthApp(users, authenticator, keys, RateLimits(users, {}))).test_client()
    catalog = catalog_flask(CatalogApp(pictures, BUCKETS, None, keys, PAGE_BYTES)).test_client()
    send = Recorder(auth, catalog, keys, callers)
    play_keys(send)
    play_images(send)
    steps = Steps(pictures)
    for key in KEYS[1:3]:
        steps.processed(steps.image(key))
    steps.failed(steps.image("A"))
    play_collections(send)
    play_end(send)
    users.engine.dispose()
    pictures.engine.dispose()
    return send.answers


def play_keys(send: Recorder) -> None:
    made = [send("auth", "POST", "/api-keys", json={"description": text}) for text in ("", "ä🔑", "x" * 255)]
    send("auth", "POST", "/api-keys", json={"description": "x" * 256})
    send("auth", "GET", "/api-keys")
    send("auth", "GET", "/api-keys?limit=2")
    key_id = made[0].get_json()["id"]
    shown = send("auth", "GET", f"/api-key?id={key_id}")
    send("auth", "GET", f"/api-key?id={key_id}", caller=1)
    send("auth", "PUT", f"/api-key?id={key_id}", json={"description": "new"}, headers={"If-Match": '"stale"'})
    send(
        "auth", "PUT", f"/api-key?id={key_id}", json={"description": "new"}, headers={"If-Match": shown.headers["ETag"]}
    )
    send("auth", "DELETE", f"/api-key?id={key_id}")
    send("auth", "DELETE", f"/api-key?id={key_id}")
    send("auth", "POST", "/api-keys", data={"scopes": "keys read", "expires_at": "2099-01-01T00:00:00.5Z"})
    send("auth", "POST", "/api-keys", json={"scopes": ["admin"], "expires_at": "2001-01-01T00:00:00Z"})
    send("auth", "POST", "/api-keys", json={"expires_at": "2001-01-01T00:00:00Z"})
    key_id = made[1].get_json()["id"]
    for tag in ('"stale"', send("auth", "GET", f"/api-key?id={key_id}").headers["ETag"]):
        send("auth", "POST", f"/api-key/rotation?id={key_id}", json={"overlap_s": 60}, headers={"If-Match": tag})
    send("auth", "POST", f"/api-key/rotation?id={key_id}", caller=1)
    send("auth", "POST", f"/api-key/rotation?id={key_id}", data={"overlap_s": "604801"})
    send("auth", "GET", "/user?username=anna")
    send("auth", "GET", "/user?username=bert")
    send("auth", "GET", "/user?username=anna", caller=None)
    send("auth", "POST", "/tokens", caller=None, json={"authorization": None, "source": "", "audience": "catalog"})


def play_images(send: Recorder) -> None:
    for key in KEYS:
        send("catalog", "POST", "/images", json={"s3_key": key, "title": key})
    for body in ({"s3_key": "a"}, {"s3_key": "t64/a"}, {"s3_key": "a\0"}, {"s3_key": 1}, {}, {"s3_key": "x", "y": 1}):
        send("catalog", "POST", "/images", json=body)
    send("catalog", "POST", "/images", caller=1, data={"s3_key": "of bert", "s3_bucket": "other"})
    send("catalog", "POST", "/images", caller=1, data={"s3_key": "of bert", "description": "d" * 10_000})
    following = send("catalog", "GET", "/images?limit=3")
    while "Link" in following.headers:
        query = following.headers["Link"].partition("?")[2].partition(">")[0]
        following = send("catalog", "GET", f"/images?{query}")
    send("catalog", "GET", "/images?limit=0")
    send("catalog", "GET", "/images?cursor=x")
    for key in (*KEYS, "of bert", "none", "a\0"):
        shown = send("catalog", "GET", "/image", query_string={"s3_key": key})
        send("catalog", "GET", "/public/image", caller=None, query_string={"s3_key": key})
        if shown.status_code == 200:
            etag = {"If-None-Match": shown.headers["ETag"]}
            send("catalog", "GET", "/image", query_string={"s3_key": key}, headers=etag)
    send("catalog", "PUT", "/image?s3_key=a", json={"title": "t"}, headers={"If-Match": '"stale"'})
    send("catalog", "PUT", "/image?s3_key=a", json={"title": "t", "reprocess": True})
    send("catalog", "PUT", "/image?s3_key=a", json={"title": None})


def play_collections(send: Recorder) -> None:
    for name in ("one", "two", "one", "no good", ""):
        send("catalog", "POST", "/collections", json={"name": name})
    send("catalog", "POST", "/collections", caller=1, json={"name": "two"})
    send("catalog", "GET", "/collections?limit=1")
    for key in (KEYS[3], KEYS[1], KEYS[2], KEYS[1], "of bert", "none"):
        send("catalog", "PUT", "/collection/image", query_string={"name": "one", "s3_key": key})
    send("catalog", "PUT", "/collection/image", caller=1, query_string={"name": "one", "s3_key": "of bert"})
    for path in ("/collection?name=one", "/collection/images?name=one&limit=2", "/collection?name=none"):
        send("catalog", "GET", path)
    send("catalog", "GET", "/public/collection?name=one&limit=1", caller=None)
    newest = send("catalog", "GET", "/public/collection/newest?name=one&limit=2", caller=None)
    query = newest.headers["Link"].partition("?")[2].partition(">")[0]
    send("catalog", "GET", f"/public/collection/newest?name=one&{query}", caller=None)
    for key in (*KEYS[1:4], "of bert", "none"):
        send("catalog", "GET", "/public/collection/image", caller=None, query_string={"name": "one", "s3_key": key})
    for key in (KEYS[1], KEYS[1], "none"):
        send("catalog", "DELETE", "/collection/image", query_string={"name": "one", "s3_key": key})
        send("catalog", "GET", "/collection/image", query_string={"name": "one", "s3_key": key})
    send("catalog", "DELETE", "/collection?name=one", headers={"If-Match": '"stale"'})
    send("catalog", "DELETE", "/collection?name=one")


def play_end(send: Recorder) -> None:
    for key in (*KEYS[:3], "none", "of bert"):
        send("catalog", "DELETE", "/image", query_string={"s3_key": key})
    send("catalog", "POST", "/images", json={"s3_key": KEYS[0]})
    send("catalog", "GET", "/images")
    send("catalog", "GET", "/signed-post")
