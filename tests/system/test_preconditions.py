"""Every PUT and DELETE honours If-Match."""

from dataclasses import dataclass
from typing import Any

import pytest

from clients import Register, Stack, ValidatingClient, path
from gateway.table import ROUTES

STALE = ['"other"', 'W/"other"', "nonsense", '""']


@dataclass(frozen=True)
class Things:
    """A user with two images, whose tags change no more by themselves, and a collection that the first is in."""

    user: ValidatingClient
    image: str
    other_image: str
    collection: str

    @property
    def member(self) -> str:
        """The path of the first image as a member of the collection."""
        return f"{self.collection}/images/{self.image.removeprefix('/api/images/')}"

    @property
    def no_member(self) -> str:
        """The path that the second image would have as a member of the collection."""
        return f"{self.collection}/images/{self.other_image.removeprefix('/api/images/')}"


@pytest.fixture
def things(anna: ValidatingClient, register: Register, prefix: str) -> Things:
    keys = [f"{prefix}/a", f"{prefix}/b"]
    for key in keys:
        register(key, by=anna)
    things = Things(anna, path("images", keys[0]), path("images", keys[1]), path("collections", prefix))
    assert anna.post("/api/collections", json={"name": prefix}).status == 201
    assert anna.put(things.member).status == 200
    for key in keys:
        anna.settled(key)
    return things


def targets(things: Things) -> dict[str, str]:
    """Return a path for each rule of the gateway that takes PUT or DELETE."""
    return {
        "/api/api-keys/<segment:key>": things.user.post("/api/api-keys").json()["uri"],
        "/api/collections/<segment:name>": things.collection,
        "/api/collections/<segment:name>/images/<key:s3_key>": things.member,
        "/api/images/<key:s3_key>": things.image,
        "/api/users/<segment:username>": path("users", things.user.username),
    }


def password_of(user: ValidatingClient) -> str:
    assert isinstance(user.auth, tuple)
    return user.auth[1]


def body_of(target: str, user: ValidatingClient) -> dict[str, Any]:
    if target.startswith("/api/users/"):
        return {"json": {"current_password": password_of(user), "password": password_of(user)}}
    return {}


def test_every_put_and_delete_refuses_a_stale_tag_and_takes_the_current_one(things: Things) -> None:
    user, found = things.user, targets(things)
    routes = [route for route in ROUTES if not route.is_upload]  # what they make has no state before
    asked = [(method, found[route.rule]) for route in routes for method in ("PUT", "DELETE") if method in route.methods]
    for method, target in sorted(asked, key=lambda each: (each[0] == "DELETE", -len(each[1]))):
        for stale in STALE:
            answer = user.send(method, target, headers={"If-Match": stale}, **body_of(target, user))
            assert (answer.status, answer.code) == (412, "stale"), f"{method} {target} {stale}"
        etag = user.get(target).headers["ETag"]
        for good in ("*", f'"other", {etag}') if method == "PUT" else (f"W/{etag}",):
            answer = user.send(method, target, headers={"If-Match": good}, **body_of(target, user))
            assert answer.status == {"PUT": 200, "DELETE": 204}[method], f"{method} {target} {good}"


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_what_is_no_member_matches_nothing(things: Things, method: str) -> None:
    user, target = things.user, things.no_member
    of_image = user.get(things.other_image).headers["ETag"]
    for given in ("*", of_image):
        assert user.send(method, target, headers={"If-Match": given}).status == 412
    assert [image["uri"] for image in user.get(f"{things.collection}/images").json()] == [things.image]
    assert user.send(method, target).status in {200, 204}


def test_member_that_was_changed_is_not_taken_out_by_who_has_not_seen_that(things: Things) -> None:
    user, target = things.user, things.member
    etag = user.get(target).headers["ETag"]
    user.put(things.image, json={"title": "changed"})
    assert user.delete(target, headers={"If-Match": etag}).status == 412
    assert user.delete(target, headers={"If-Match": user.get(target).headers["ETag"]}).status == 204


def test_stale_tag_leaves_the_password_as_it_is(stack: Stack, anna: ValidatingClient) -> None:
    change = {"current_password": password_of(anna), "password": "a new password"}
    answer = anna.put(path("users", anna.username), json=change, headers={"If-Match": '"other"'})
    assert answer.status == 412
    assert ValidatingClient(stack["GATEWAY_URL"], anna.auth).get("/api/images?limit=1").status == 200
