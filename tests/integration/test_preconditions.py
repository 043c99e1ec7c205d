"""Every PUT and DELETE honours If-Match."""

from typing import Any

import pytest

from clients import ValidatingClient
from gateway.table import ROUTES
from web_stack import ANNA, WebStack

MEMBER = "/api/collections/c/images/a"
STALE = ['"other"', 'W/"other"', "nonsense", '""']


@pytest.fixture
def anna(web_stack: WebStack) -> ValidatingClient:
    web_stack.start_all()
    anna = web_stack.anna()
    for key in "ab":
        assert anna.post("/api/images", json={"s3_key": key}).status == 201
    assert anna.post("/api/collections", json={"name": "c"}).status == 201
    assert anna.put(MEMBER).status == 200
    return anna


def targets(anna: ValidatingClient) -> dict[str, str]:
    """Return a path for each rule of the gateway that takes PUT or DELETE."""
    return {
        "/api/api-keys/<segment:key>": anna.post("/api/api-keys").json()["uri"],
        "/api/collections/<segment:name>": "/api/collections/c",
        "/api/collections/<segment:name>/images/<key:s3_key>": MEMBER,
        "/api/images/<key:s3_key>": "/api/images/a",
        "/api/users/<segment:username>": f"/api/users/{ANNA[0]}",
    }


def body_of(target: str) -> dict[str, Any]:
    if target.startswith("/api/users/"):
        return {"json": {"current_password": ANNA[1], "password": ANNA[1]}}
    return {}


def test_every_put_and_delete_refuses_a_stale_tag_and_takes_the_current_one(anna: ValidatingClient) -> None:
    found = targets(anna)
    asked = [(method, found[route.rule]) for route in ROUTES for method in ("PUT", "DELETE") if method in route.methods]
    for method, target in sorted(asked, key=lambda each: (each[0] == "DELETE", -len(each[1]))):
        for stale in STALE:
            answer = anna.send(method, target, headers={"If-Match": stale}, **body_of(target))
            assert (answer.status, answer.code) == (412, "stale"), f"{method} {target} {stale}"
        etag = anna.get(target).headers["ETag"]
        for good in ("*", f'"other", {etag}') if method == "PUT" else (f"W/{etag}",):
            answer = anna.send(method, target, headers={"If-Match": good}, **body_of(target))
            assert answer.status == {"PUT": 200, "DELETE": 204}[method], f"{method} {target} {good}"


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_what_is_no_member_matches_nothing(anna: ValidatingClient, method: str) -> None:
    target = "/api/collections/c/images/b"
    of_image = anna.get("/api/images/b").headers["ETag"]
    for given in ("*", of_image):
        assert anna.send(method, target, headers={"If-Match": given}).status == 412
    assert [image["s3_key"] for image in anna.get("/api/collections/c/images").json()] == ["a"]
    assert anna.send(method, target).status in {200, 204}


def test_member_that_was_changed_is_not_taken_out_by_who_has_not_seen_that(anna: ValidatingClient) -> None:
    etag = anna.get(MEMBER).headers["ETag"]
    anna.put("/api/images/a", json={"title": "changed"})
    assert anna.delete(MEMBER, headers={"If-Match": etag}).status == 412
    assert anna.delete(MEMBER, headers={"If-Match": anna.get(MEMBER).headers["ETag"]}).status == 204


def test_stale_tag_leaves_the_password_as_it_is(anna: ValidatingClient, web_stack: WebStack) -> None:
    change = {"current_password": ANNA[1], "password": "a new password"}
    answer = anna.put(f"/api/users/{ANNA[0]}", json=change, headers={"If-Match": '"other"'})
    assert answer.status == 412
    assert web_stack.anna().get("/api/images").status == 200
