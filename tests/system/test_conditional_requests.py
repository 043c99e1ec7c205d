"""ETag, If-None-Match and If-Match."""

from typing import Any

import pytest

from clients import NewUser, Register, ValidatingClient, path
from deadlines import until


@pytest.fixture
def resources(alice: ValidatingClient, register: Register, prefix: str) -> dict[str, str]:
    """The path of the private form of one resource of each kind."""
    image = register(prefix)["uri"]
    collection = alice.post("/api/collections", json={"name": prefix}).json()["uri"]
    api_key = alice.post("/api/api-keys").json()["uri"]
    alice.settled(prefix)
    return {"image": image, "collection": collection, "api key": api_key}


def test_every_single_resource_answers_304_to_its_etag(
    alice: ValidatingClient,
    new_user: NewUser,
    ready_image: dict[str, Any],
    resources: dict[str, str],
    prefix: str,
) -> None:
    member = path("collections", prefix, "images", prefix)
    alice.put(member)
    idle = new_user()  # what Alice has may change at any moment: other tests have images of hers processed
    user = path("users", idle.username)
    public = [path("i", ready_image["s3_key"]), path("c", prefix), "/api/openapi.json", "/api/docs"]
    for target in [*resources.values(), member, user, *public]:
        client = idle if target == user else alice
        etag = client.get(target).headers["ETag"]
        for candidates in (etag, "*", f'"other", {etag}', f"W/{etag}"):
            answer = client.get(target, headers={"If-None-Match": candidates})
            assert (answer.status, answer.body) == (304, b""), f"{target} {candidates}"
            assert answer.headers["ETag"] == etag
        assert client.head(target, headers={"If-None-Match": etag}).status == 304
        assert client.get(target, headers={"If-None-Match": '"other"'}).status == 200


def test_the_etag_changes_with_the_representation(
    alice: ValidatingClient, anyone: ValidatingClient, resources: dict[str, str], prefix: str
) -> None:
    public = path("i", prefix)
    private_etag, public_etag = alice.get(resources["image"]).headers["ETag"], anyone.get(public).headers["ETag"]
    alice.put(resources["image"], json={"title": "Changed"})
    assert alice.get(resources["image"], headers={"If-None-Match": private_etag}).status == 200
    known = {"If-None-Match": public_etag}
    until(lambda: anyone.get(public, headers=known).status == 200, 1, "the change shows publicly")


def test_the_etag_of_a_collection_is_that_of_the_page_shown(
    alice: ValidatingClient, anyone: ValidatingClient, resources: dict[str, str], register: Register, prefix: str
) -> None:
    # Not below the other key: on an S3 that stores files, an object cannot be the folder of another.
    register(f"{prefix}-second")
    alice.settled(f"{prefix}-second")
    for s3_key in (prefix, f"{prefix}-second"):
        alice.put(path("collections", prefix, "images", s3_key))
    for target in (resources["collection"], path("c", prefix)):
        first = anyone.get(f"{target}?limit=1") if "/c/" in target else alice.get(f"{target}?limit=1")
        second, whole = alice.get(str(first.next_page)), alice.get(target)
        assert len({answer.headers["ETag"] for answer in (first, second, whole)}) == 3
        assert alice.get(str(first.next_page), headers={"If-None-Match": second.headers["ETag"]}).status == 304


@pytest.mark.parametrize("kind", ["image", "api key"])
def test_put_with_a_current_if_match_changes_and_with_a_stale_one_is_412(
    alice: ValidatingClient, resources: dict[str, str], kind: str
) -> None:
    uri = resources[kind]
    etag = alice.get(uri).headers["ETag"]
    changed = alice.put(uri, json={"description": "First"}, headers={"If-Match": etag})
    assert changed.status == 200
    stale = alice.put(uri, json={"description": "Second"}, headers={"If-Match": etag})
    assert (stale.status, stale.code) == (412, "stale")
    assert alice.get(uri).json()["description"] == "First"
    assert alice.put(uri, json={"description": "Third"}, headers={"If-Match": "*"}).status == 200


@pytest.mark.parametrize("kind", ["image", "collection", "api key"])
def test_delete_with_a_stale_if_match_is_412(alice: ValidatingClient, resources: dict[str, str], kind: str) -> None:
    uri = resources[kind]
    etag = alice.get(uri).headers["ETag"]
    for stale in ('"other"', 'W/"other"', "nonsense"):
        answer = alice.delete(uri, headers={"If-Match": stale})
        assert (answer.status, answer.code) == (412, "stale"), stale
    assert alice.delete(uri, headers={"If-Match": f'"other", {etag}'}).status == 204


@pytest.mark.parametrize("kind", ["image", "collection", "api key"])
def test_a_tag_that_a_proxy_weakened_names_the_same_state(
    alice: ValidatingClient, resources: dict[str, str], kind: str
) -> None:
    uri = resources[kind]
    weak = f"W/{alice.get(uri).headers['ETag']}"
    assert alice.delete(uri, headers={"If-Match": f'W/"other", {weak}'}).status == 204


@pytest.mark.parametrize("target", ["/api/images/no/such", "/api/collections/no-such", "/api/api-keys/no-such"])
def test_existence_is_looked_at_before_the_precondition(alice: ValidatingClient, target: str) -> None:
    assert alice.delete(target, headers={"If-Match": '"x"'}).status == 404


def test_fields_are_looked_at_before_the_precondition(alice: ValidatingClient, resources: dict[str, str]) -> None:
    answer = alice.put(resources["image"], json={"title": 1}, headers={"If-Match": '"x"'})
    assert answer.status == 422


def test_the_etag_of_an_image_in_a_list_is_that_of_its_private_form(
    alice: ValidatingClient, resources: dict[str, str], prefix: str
) -> None:
    member = path("collections", prefix, "images", prefix)
    alice.put(member)
    assert alice.get(member).headers["ETag"] == alice.get(resources["image"]).headers["ETag"]


def test_using_an_api_key_does_not_change_its_etag(alice: ValidatingClient, stack: dict[str, str]) -> None:
    created = alice.post("/api/api-keys").json()
    before = alice.get(created["uri"]).headers["ETag"]
    assert ValidatingClient(stack["GATEWAY_URL"], created["key"]).get("/api/images?limit=1").status == 200
    assert alice.get(created["uri"]).headers["ETag"] == before
