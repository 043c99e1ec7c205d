"""No user can see, change or delete what belongs to another."""

from typing import Any

from clients import Register, ValidatingClient, path


def test_an_image_of_another_user_answers_like_one_that_is_not_there(
    alice: ValidatingClient, bob: ValidatingClient, ready_image: dict[str, Any]
) -> None:
    uri = ready_image["uri"]
    same = {"X-Request-ID": "same"}
    theirs, nobodys = bob.get(uri, headers=same), bob.get("/api/images/no/such", headers=same)
    assert theirs.status == nobodys.status == 404
    assert theirs.json() | {"instance": ""} == nobodys.json() | {"instance": ""}
    assert bob.put(uri, json={"title": "Mine"}).code == "image-not-found"
    assert bob.put(uri, json={"reprocess": True}).code == "image-not-found"
    assert bob.delete(uri).code == "image-not-found"
    assert alice.get(uri).json() == ready_image


def test_lists_show_what_is_ones_own(alice: ValidatingClient, new_user: Any, register: Register, prefix: str) -> None:
    register(prefix)
    alice.post("/api/collections", json={"name": prefix})
    newcomer = new_user()
    for target in ("/api/images", "/api/collections", "/api/api-keys"):
        assert newcomer.get(target).json() == []


def test_an_image_of_another_user_does_not_go_into_a_collection(
    bob: ValidatingClient, ready_image: dict[str, Any], prefix: str
) -> None:
    bob.post("/api/collections", json={"name": prefix})
    member = path("collections", prefix, "images", ready_image["s3_key"])
    for method in ("PUT", "GET", "DELETE"):
        answer = bob.send(method, member)
        assert (answer.status, answer.code) == (404, "image-not-found")
    assert bob.get(path("collections", prefix)).json()["images"] == []


def test_a_collection_of_another_user_answers_like_one_that_is_not_there(
    alice: ValidatingClient, bob: ValidatingClient, ready_image: dict[str, Any], register: Register, prefix: str
) -> None:
    alice.post("/api/collections", json={"name": prefix})
    alice.put(path("collections", prefix, "images", ready_image["s3_key"]))
    register(prefix, by=bob)
    target = path("collections", prefix)
    refused = [
        bob.get(target),
        bob.delete(target),
        bob.get(f"{target}/images"),
        bob.put(f"{target}/images/{prefix}"),
        bob.delete(f"{target}/images/{ready_image['s3_key']}"),
    ]
    assert [answer.code for answer in refused] == ["collection-not-found"] * 5
    assert [image["s3_key"] for image in alice.get(target).json()["images"]] == [ready_image["s3_key"]]


def test_an_api_key_of_another_user_answers_like_one_that_is_not_there(
    alice: ValidatingClient, bob: ValidatingClient
) -> None:
    created = alice.post("/api/api-keys", json={"description": "hers"}).json()
    for target in (created["uri"], path("api-keys", created["key"])):
        assert bob.get(target).code == "api-key-not-found"
        assert bob.put(target, json={"description": "his"}).code == "api-key-not-found"
        assert bob.delete(target).code == "api-key-not-found"
    assert alice.get(created["uri"]).json()["description"] == "hers"


def test_a_key_taken_by_another_user_is_taken(bob: ValidatingClient, ready_image: dict[str, Any], bucket: str) -> None:
    answer = bob.post("/api/images", json={"s3_key": ready_image["s3_key"], "s3_bucket": bucket})
    assert (answer.status, answer.code) == (409, "image-exists")
    assert ready_image["user"].encode() not in answer.body
