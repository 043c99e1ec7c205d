"""What a user has and may have: told by auth and catalog together, and by auth alone while catalog is away."""

import time
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from bad_services import Service, silent
from clients import ValidatingClient
from web_stack import ANNA, WebStack

ME = f"/api/users/{ANNA[0]}"
OF_CATALOG = {"images", "bytes", "collections"}


def start(web_stack: WebStack, **settings_of_gateway: str) -> ValidatingClient:
    web_stack.start("auth", REQUESTS_A_MINUTE="500", API_KEYS_PER_USER="7")
    web_stack.start("catalog", IMAGES_PER_USER="20", BYTES_PER_USER="1000000")
    web_stack.start("gateway", 0, **settings_of_gateway)
    return web_stack.anna()


def measure(web_stack: WebStack, key: str, size: int) -> None:
    """Note the size of an original, as a result of imaging does."""
    engine = sa.create_engine(f"sqlite:///{Path(web_stack.folder) / 'catalog.db'}")
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE images SET bytes = :size WHERE s3_key = :key"), {"size": size, "key": key})
    engine.dispose()


def test_user_sees_use_and_limits_of_everything(web_stack: WebStack) -> None:
    anna = start(web_stack)
    for key in ("a", "b", "c"):
        anna.post("/api/images", json={"s3_key": key})
    measure(web_stack, "a", 1234)
    anna.post("/api/collections", json={"name": "one"})
    reader = ValidatingClient(web_stack.url(), anna.post("/api/api-keys", json={"scopes": ["read"]}).json()["key"])
    for client, requests in ((anna, 6), (reader, 1)):
        document = client.get(ME).json()
        assert document["use"] == {
            "requests": requests,
            "writes": None,
            "api_keys": 1,
            "images": 3,
            "bytes": 1234,
            "collections": 1,
        }
        assert document["limits"] == {
            "requests": 500,
            "writes": None,
            "api_keys": 7,
            "images": 20,
            "bytes": 1_000_000,
            "collections": None,
        }
        assert document["complete"] is True
    assert anna.head(ME).status == 200


def test_tag_follows_what_the_user_has_and_if_match_only_what_they_are(web_stack: WebStack) -> None:
    anna = start(web_stack)
    first = anna.get(ME).headers["ETag"]
    assert anna.get(ME, headers={"If-None-Match": first}).status == 304
    assert anna.head(ME, headers={"If-None-Match": f"W/{first}"}).status == 304
    anna.post("/api/collections", json={"name": "one"})
    second = anna.get(ME, headers={"If-None-Match": first})
    assert (second.status, second.json()["use"]["collections"]) == (200, 1)
    anna.post("/api/api-keys")
    third = anna.get(ME, headers={"If-None-Match": second.headers["ETag"]})
    assert (third.status, third.json()["use"]["api_keys"]) == (200, 1)
    same = {"current_password": ANNA[1], "password": ANNA[1]}
    assert anna.put(ME, json=same, headers={"If-Match": '"other-other-other"'}).status == 412
    changed = anna.put(ME, json=same, headers={"If-Match": f'"other", {first}'})
    assert (changed.status, changed.headers["ETag"]) == (200, third.headers["ETag"])
    assert changed.json()["use"]["collections"] == 1
    web_stack.start("catalog", IMAGES_PER_USER="21")
    assert anna.get(ME, headers={"If-None-Match": third.headers["ETag"]}).status == 200


def test_user_is_shown_and_changed_while_catalog_is_away(web_stack: WebStack) -> None:
    anna = start(web_stack)
    whole = anna.get(ME)
    web_stack.stop("catalog")
    answer = anna.get(ME, headers={"If-None-Match": whole.headers["ETag"]})
    assert (answer.status, answer.json()["complete"]) == (200, False)
    for name in ("use", "limits"):
        assert set(whole.json()[name]) - set(answer.json()[name]) == OF_CATALOG
    same = {"current_password": ANNA[1], "password": ANNA[1]}
    for etag in (whole.headers["ETag"], answer.headers["ETag"]):
        assert anna.put(ME, json=same, headers={"If-Match": etag}).json()["complete"] is False


def test_change_of_the_password_tells_how_many_keys_are_left(web_stack: WebStack) -> None:
    anna = start(web_stack)
    anna.post("/api/api-keys")
    same = {"current_password": ANNA[1], "password": ANNA[1]}
    assert anna.put(ME, json=same).json()["use"]["api_keys"] == 1
    assert anna.put(ME, json={**same, "revoke_api_keys": True}).json()["use"]["api_keys"] == 0


def test_user_is_shown_soon_although_catalog_hangs(web_stack: WebStack) -> None:
    with Service(silent) as catalog, closing(start(web_stack, CATALOG_URL=catalog.url)) as anna:
        began = time.monotonic()
        assert anna.get(ME).json()["complete"] is False
        assert time.monotonic() - began < 4  # 2 are usual, but the machine may have other work


def test_use_is_told_to_the_user_alone(web_stack: WebStack) -> None:
    anna = start(web_stack)
    upload = anna.post("/api/api-keys", json={"scopes": ["upload", "write", "keys"]}).json()["key"]
    assert ValidatingClient(web_stack.url(), upload).get(ME).code == "insufficient-scope"
    assert ValidatingClient(web_stack.url()).get(ME).status == 401
    assert anna.get("/api/users/bert").status == 404
