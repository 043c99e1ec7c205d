"""Query parameters: a private route refuses what it does not take, by name; public ones ignore it."""

from dataclasses import dataclass

import pytest

from clients import JSON, NewUser, ValidatingClient, path


@dataclass(frozen=True)
class Things:
    """A user, and the paths of what they have: an image that is in a collection."""

    user: ValidatingClient
    image: str
    collection: str

    @property
    def member(self) -> str:
        """The path of the image as a member of the collection."""
        return path("collections", self.user.username, "images", self.user.username)

    @property
    def single(self) -> list[str]:
        """The paths of single resources of the user; that there is no such API key is found out after parameters."""
        return [self.image, self.member, "/api/api-keys/none", path("users", self.user.username)]

    @property
    def paged(self) -> list[str]:
        """The paths of all that has pages."""
        return ["/api/images", "/api/collections", "/api/api-keys", self.collection, f"{self.collection}/images"]


@pytest.fixture(scope="module")
def things(new_user: NewUser, bucket: str) -> Things:
    user = new_user()
    name = user.username
    things = Things(user, path("images", name), path("collections", name))
    assert user.post("/api/images", json={"s3_key": name, "s3_bucket": bucket}).status == 201
    assert user.post("/api/collections", json={"name": name}).status == 201
    assert user.put(things.member).status == 200
    return things


def test_unknown_parameters_of_private_routes_are_named(things: Things) -> None:
    user = things.user
    for method in ("GET", "HEAD"):
        for target in (*things.paged, *things.single, "/api/signed-post"):
            answer = user.send(method, f"{target}?page=2&state=failed&page=3")
            assert answer.status == 422, target
            assert method == "HEAD" or (answer.code, answer.faulty_fields) == ("invalid-fields", {"page", "state"})
    for query, names in (("?Limit=1", {"Limit"}), ("?limit=1&=x", {""}), ("?x", {"x"}), ("?%FF", {"%FF"})):
        assert user.get(f"/api/images{query}").faulty_fields == names
    for target in things.paged:
        assert user.get(f"{target}?limit=1").status == 200
        assert user.get(f"{target}?&").status == 200


def test_parameters_of_one_route_or_method_are_unknown_to_others(things: Things) -> None:
    user = things.user
    for target in (*things.single, "/api/signed-post"):
        assert user.get(f"{target}?limit=1&cursor=x").faulty_fields == {"limit", "cursor"}
    assert user.get("/api/images?filename=a.jpg").faulty_fields == {"filename"}
    for method, target in [
        ("POST", "/api/images"),
        ("PUT", things.image),
        ("DELETE", things.image),
        ("POST", "/api/collections"),
        ("DELETE", things.collection),
        ("PUT", things.member),
        ("DELETE", things.member),
        ("POST", "/api/api-keys"),
        ("PUT", "/api/api-keys/none"),
        ("DELETE", "/api/api-keys/none"),
        ("POST", "/api/api-keys/none/rotation"),
        ("PUT", path("users", user.username)),
    ]:
        assert user.send(method, f"{target}?limit=1").faulty_fields == {"limit"}, (method, target)
    assert user.get(things.member).status == 200, "a refused request changed nothing"
    assert user.get("/api/api-keys").json() == []


def test_public_routes_ignore_what_trackers_add(things: Things, anyone: ValidatingClient) -> None:
    name = things.user.username
    for target in (path("i", name), path("c", name), "/api/openapi.json", "/api/docs", "/healthz"):
        assert anyone.get(f"{target}?utm_source=x&limit=1").status == 200
    assert anyone.get(f"{path('c', name)}?utm_source=x&limit=0").faulty_fields == {"limit"}


def test_credentials_and_the_body_are_looked_at_before_parameters(things: Things, anyone: ValidatingClient) -> None:
    user, target = things.user, f"{things.image}?page=2"
    assert anyone.get(target).status == 401
    assert user.put(target, body=b"x" * 70_000).status == 413
    assert user.put(target, body=b"{", headers={"Content-Type": "text/plain"}).status == 415
    assert user.put(target, body=b"{", headers={"Content-Type": JSON}).status == 400
    assert user.put(target, json={"title": 1}).status == 422
    assert user.get("/api/images/no/such?page=2").status == 422
