"""Users: only oneself is visible, and a changed password counts at once."""

import unicodedata
from typing import TYPE_CHECKING, Any, Literal

import pytest

from clients import NewUser, Register, Stack, ValidatingClient, path
from deadlines import until
from users import auth, delete_user

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture(scope="module")
def dave(new_user: NewUser) -> ValidatingClient:
    return new_user()


def me(client: ValidatingClient) -> tuple[str, str, str]:
    assert isinstance(client.auth, tuple)
    return path("users", client.username), *client.auth


def test_a_user_sees_oneself(dave: ValidatingClient) -> None:
    uri, username, _ = me(dave)
    document = dave.get(uri).json()
    assert (document["username"], document["uri"]) == (username, uri)


@pytest.mark.parametrize("name", ["no-such", "", "%20", "ä", "x" * 65, "a%2Fb"])
def test_others_are_404_whether_they_exist_or_not(dave: ValidatingClient, alice: ValidatingClient, name: str) -> None:
    existing = dave.get(me(alice)[0])
    assert (existing.status, existing.code) == (404, "user-not-found")
    assert dave.get(f"/api/users/{name}" if name.isascii() else path("users", name)).status == 404
    assert alice.put(me(dave)[0], json={"current_password": me(alice)[2], "password": "long enough"}).status == 404


def test_a_changed_password_counts_from_the_next_request_on(stack: Stack, new_user: NewUser) -> None:
    user = new_user()
    uri, username, old = me(user)
    new = "ein längeres Passwort 🌍"
    others = [ValidatingClient(stack["GATEWAY_URL"], (username, old)) for _ in range(3)]
    for other in others:
        assert other.get(uri).status == 200
    answer = user.put(uri, json={"current_password": old, "password": new})
    assert (answer.status, answer.json()["username"]) == (200, username)
    assert [other.get(uri).status for other in others] == [401] * 3
    renewed = ValidatingClient(stack["GATEWAY_URL"], (username, new))
    assert renewed.get(uri).status == 200
    assert renewed.put(uri, form={"current_password": new, "password": old}).status == 200
    assert user.get(uri).status == 200


def test_an_api_key_may_not_change_the_password_and_outlives_its_change(stack: Stack, new_user: NewUser) -> None:
    user = new_user()
    uri, _, old = me(user)
    by_key = ValidatingClient(stack["GATEWAY_URL"], user.post("/api/api-keys").json()["key"])
    answer = by_key.put(uri, json={"current_password": old, "password": "another password"})
    assert (answer.status, answer.code) == (403, "password-required")
    assert user.put(uri, json={"current_password": old, "password": "another password"}).status == 200
    assert by_key.get(uri).status == 200


@pytest.mark.parametrize("sent", ["json", "form"])
def test_a_change_of_the_password_revokes_all_api_keys_if_asked_to(
    stack: Stack, new_user: NewUser, alice: ValidatingClient, sent: str
) -> None:
    user, others = new_user(), alice.post("/api/api-keys").json()["key"]
    uri, username, old = me(user)
    own = user.post("/api/api-keys").json()["key"]
    child = ValidatingClient(stack["GATEWAY_URL"], own).post("/api/api-keys").json()["key"]
    clients = [ValidatingClient(stack["GATEWAY_URL"], key) for key in (own, child, others)]
    for said, expected in ((False, [200, 200, 200]), (True, [401, 401, 200])):
        new = f"another password {said}"
        fields = {"current_password": old, "password": new}
        if sent == "json":
            answer = user.put(uri, json={**fields, "revoke_api_keys": said})
        else:
            answer = user.put(uri, form={**fields, "revoke_api_keys": str(said).lower()})
        assert answer.status == 200
        user.auth, old = (username, new), new
        assert [client.get("/api/images?limit=1").status for client in clients] == expected
    assert user.get("/api/api-keys").json() == []


@pytest.mark.parametrize("said", [None, "true", 1, "yes", []])
def test_revoke_api_keys_is_true_or_false(dave: ValidatingClient, said: Any) -> None:
    uri, _, password = me(dave)
    fields = {"current_password": password, "password": "another password", "revoke_api_keys": said}
    assert dave.put(uri, json=fields).faulty_fields == {"/revoke_api_keys"}
    form = {**fields, "revoke_api_keys": "TRUE"}
    assert dave.put(uri, form=form).faulty_fields == {"/revoke_api_keys"}


def test_a_wrong_current_password_changes_nothing(dave: ValidatingClient) -> None:
    uri, _, _ = me(dave)
    answer = dave.put(uri, json={"current_password": "not the password", "password": "another password"})
    assert (answer.status, answer.code) == (403, "wrong-password")
    assert dave.get(uri).status == 200


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({}, {"/current_password", "/password"}),
        ({"password": "long enough"}, {"/current_password"}),
        ({"password": "short12"}, {"/password"}),
        ({"password": "x" * 257}, {"/password"}),
        ({"password": None}, {"/password"}),
        ({"password": "with\0nul"}, {"/password"}),
        ({"password": "surrogate\ud800"}, {"/password"}),
        ({"password": "ILoveYou"}, {"/password"}),
        ({"password": "imgh_aaaaaaaaaaaaaaaa_bbbb"}, {"/password"}),
        ({"password": "long enough", "username": "other"}, {"/username"}),
    ],
)
def test_unacceptable_fields_are_422(dave: ValidatingClient, fields: dict[str, Any], pointers: set[str]) -> None:
    uri, _, password = me(dave)
    known = {"current_password": password} if "/current_password" not in pointers else {}
    answer = dave.put(uri, json=known | fields)
    assert (answer.status, answer.code, answer.faulty_fields) == (422, "invalid-fields", pointers)


@pytest.mark.parametrize("password", ["hjq7 2xw", "x" * 256, "🌍" * 256, "with:colon and space"])
def test_passwords_have_8_to_256_characters(stack: Stack, new_user: NewUser, password: str) -> None:
    user = new_user()
    uri, username, old = me(user)
    assert user.put(uri, json={"current_password": old, "password": password}).status == 200
    assert ValidatingClient(stack["GATEWAY_URL"], (username, password)).get(uri).status == 200


@pytest.mark.parametrize(("chosen", "typed"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_password_is_the_same_however_a_keyboard_sends_it(
    stack: Stack, new_user: NewUser, chosen: Literal["NFC", "NFD"], typed: Literal["NFC", "NFD"]
) -> None:
    user = new_user()
    uri, username, old = me(user)
    new = unicodedata.normalize(chosen, "Größe é ǘ")
    assert user.put(uri, json={"current_password": old, "password": new}).status == 200
    sent = unicodedata.normalize(typed, "Größe\u00a0é ǘ")
    assert ValidatingClient(stack["GATEWAY_URL"], (username, sent)).get(uri).status == 200
    by_change = ValidatingClient(stack["GATEWAY_URL"], (username, new))
    assert by_change.put(uri, form={"current_password": sent, "password": old}).status == 200


def test_length_of_a_password_is_that_of_its_characters(dave: ValidatingClient) -> None:
    uri, _, password = me(dave)
    answer = dave.put(uri, json={"current_password": password, "password": "e\u0301" * 7})
    assert (answer.status, answer.faulty_fields) == (422, {"/password"})


def test_deleted_user_takes_images_thumbs_and_collections_along(
    stack: Stack, new_user: NewUser, anyone: ValidatingClient, register: Register, s3: "S3Client", prefix: str
) -> None:
    client, key, collection = new_user(), f"{prefix}/theirs.jpg", f"of-{prefix}"
    register(key, by=client)
    assert client.settled(key)["status"] == "ready"
    assert client.post("/api/collections", json={"name": collection}).status == 201
    delete_user(stack, client.username)
    assert client.get("/api/images").status == 401

    def gone() -> bool:
        left = s3.list_objects_v2(Bucket=stack["S3_BUCKET"], Prefix=f"{prefix}/").get("Contents", [])
        return (
            anyone.get(f"/api/i/{key}").status == 404
            and anyone.get(f"/api/c/{collection}").status == 404
            and [found["Key"] for found in left] == [key]
        )

    until(gone, 20, "something of the deleted user is still there")
    client.close()


def test_image_of_a_user_who_is_disabled_meanwhile_is_processed_and_stays_public(
    stack: Stack, new_user: NewUser, anyone: ValidatingClient, register: Register, prefix: str
) -> None:
    client, key = new_user(), f"{prefix}/theirs.jpg"
    register(key, by=client)
    auth(stack, "disable-user", client.username)
    answer = client.get("/api/images")
    assert (answer.status, answer.code) == (403, "user-disabled")
    until(lambda: anyone.get(f"/api/i/{key}").json()["status"] == "ready", 20, "it is not processed")
    auth(stack, "enable-user", client.username)
    assert client.settled(key)["status"] == "ready"
    client.close()


def test_renamed_user_keeps_everything_and_goes_on_under_the_new_name(
    stack: Stack, new_user: NewUser, register: Register, prefix: str
) -> None:
    client, key = new_user(), f"{prefix}/theirs.jpg"
    uri, old, password = me(client)
    by_key = ValidatingClient(stack["GATEWAY_URL"], client.post("/api/api-keys").json()["key"])
    register(key, by=client)
    auth(stack, "rename-user", old, f"{old}-renamed")
    assert client.get(uri).status == 401
    client.auth = (f"{old}-renamed", password)
    assert client.settled(key)["user"] == client.username == by_key.get("/api/images").json()[0]["user"]
    assert client.get(path("users", client.username)).status == 200
    delete_user(stack, client.username)
    assert by_key.get("/api/images").status == 401
    client.close()
