"""Collections and their images."""

from typing import Any

import pytest

from clients import Register, ValidatingClient, path


@pytest.fixture
def collection(alice: ValidatingClient, prefix: str) -> str:
    """The path of a collection of the caller."""
    answer = alice.post("/api/collections", json={"name": prefix})
    assert answer.status == 201
    return path("collections", prefix)


def keys(client: ValidatingClient, target: str) -> list[str]:
    document = client.get(target).json()
    images = document["images"] if isinstance(document, dict) else document
    return [image["s3_key"] for image in images]


def test_a_new_collection_is_listed_and_empty(
    alice: ValidatingClient, anyone: ValidatingClient, collection: str, prefix: str
) -> None:
    fetched = alice.get(collection).json()
    assert (fetched["name"], fetched["uri"], fetched["images"]) == (prefix, collection, [])
    assert fetched["user"] == alice.username
    assert alice.get("/api/collections?limit=1").json()[0]["name"] == prefix
    assert anyone.get(path("c", prefix)).json() == {"type": "collection", "name": prefix, "images": []}


@pytest.mark.parametrize("name", ["x" * 92, "A-Z_a-z_0-9", "-", "_", "0"])
def test_names_are_letters_digits_underscores_and_hyphens(alice: ValidatingClient, prefix: str, name: str) -> None:
    answer = alice.post("/api/collections", form={"name": prefix + name})
    assert (answer.status, answer.headers["Location"]) == (201, path("collections", prefix + name))
    assert alice.get(path("collections", prefix + name)).status == 200


def test_names_are_case_sensitive(alice: ValidatingClient, prefix: str) -> None:
    assert alice.post("/api/collections", json={"name": f"{prefix}x"}).status == 201
    assert alice.post("/api/collections", json={"name": f"{prefix}X"}).status == 201


def test_a_name_is_taken_for_everybody(
    alice: ValidatingClient, bob: ValidatingClient, collection: str, prefix: str
) -> None:
    for client in (alice, bob):
        answer = client.post("/api/collections", json={"name": prefix})
        assert (answer.status, answer.code) == (409, "collection-name-taken")
    assert alice.get(collection).status == 200


def test_putting_an_image_into_a_collection_again_changes_nothing(
    alice: ValidatingClient, collection: str, register: Register, prefix: str
) -> None:
    for name in ("a", "b"):
        register(f"{prefix}/{name}")
        alice.settled(f"{prefix}/{name}")
    member = f"{collection}/images/{prefix}/a"
    first = alice.put(member)
    assert (first.status, first.json()) == (200, alice.get(path("images", f"{prefix}/a")).json())
    alice.put(f"{collection}/images/{prefix}/b")
    assert alice.put(member).json() == first.json()
    assert keys(alice, collection) == keys(alice, f"{collection}/images") == [f"{prefix}/a", f"{prefix}/b"]


def test_an_image_taken_out_is_no_member_and_stays_an_image(
    alice: ValidatingClient, collection: str, ready_image: dict[str, Any]
) -> None:
    member = f"{collection}/images/{ready_image['s3_key']}"
    assert alice.get(member).code == "image-not-found"
    alice.put(member)
    assert alice.get(member).json()["s3_key"] == ready_image["s3_key"]
    assert alice.delete(member).status == 204
    assert alice.get(member).code == "image-not-found"
    assert alice.delete(member).status == 204, "also when it was no member"
    assert keys(alice, collection) == []
    assert alice.get(ready_image["uri"]).status == 200


def test_a_slash_of_a_member_may_be_sent_encoded(
    alice: ValidatingClient, collection: str, ready_image: dict[str, Any]
) -> None:
    encoded = ready_image["s3_key"].replace("/", "%2F")
    assert alice.put(f"{collection}/images/{encoded}").status == 200
    assert keys(alice, collection) == [ready_image["s3_key"]]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_unknown_image_or_collection_is_404(
    alice: ValidatingClient, collection: str, ready_image: dict[str, Any], method: str
) -> None:
    unknown_image = alice.send(method, f"{collection}/images/no/such")
    assert (unknown_image.status, unknown_image.code) == (404, "image-not-found")
    unknown_collection = alice.send(method, f"/api/collections/no-such/images/{ready_image['s3_key']}")
    assert (unknown_collection.status, unknown_collection.code) == (404, "collection-not-found")


def test_deleting_a_collection_leaves_its_images(
    alice: ValidatingClient, anyone: ValidatingClient, collection: str, ready_image: dict[str, Any], prefix: str
) -> None:
    alice.put(f"{collection}/images/{ready_image['s3_key']}")
    assert alice.delete(collection).status == 204
    assert alice.get(collection).code == anyone.get(path("c", prefix)).code == "collection-not-found"
    assert alice.delete(collection).status == 404
    assert alice.get(ready_image["uri"]).status == 200
    assert alice.post("/api/collections", json={"name": prefix}).status == 201, "the name is free again"
    assert keys(alice, collection) == []


def test_deleting_an_image_takes_it_out_of_its_collections(
    alice: ValidatingClient, anyone: ValidatingClient, collection: str, register: Register, prefix: str
) -> None:
    uri = register(prefix)["uri"]
    alice.put(f"{collection}/images/{prefix}")
    alice.delete(uri)
    assert keys(alice, collection) == keys(anyone, path("c", prefix)) == []


@pytest.mark.parametrize("name", ["no-such", "a.b", "a%20b", "x" * 101, "%C3%A4"])
def test_unknown_and_impossible_names_are_404(alice: ValidatingClient, name: str) -> None:
    for target in (f"/api/c/{name}", f"/api/collections/{name}", f"/api/collections/{name}/images"):
        answer = alice.get(target)
        assert (answer.status, answer.code) == (404, "collection-not-found")
