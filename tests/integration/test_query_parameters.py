"""Query parameters: a private route refuses what it does not take, by name; public ones ignore it."""

import pytest

from clients import JSON
from web_stack import BUCKET, WebStack

LISTS = ["/api/images", "/api/collections", "/api/api-keys"]
PAGED = [*LISTS, "/api/collections/holidays", "/api/collections/holidays/images"]
SINGLE = ["/api/images/a", "/api/collections/holidays/images/a", "/api/api-keys/none", "/api/users/anna"]


@pytest.fixture
def stack(web_stack: WebStack) -> WebStack:
    web_stack.start_all()
    anna = web_stack.anna()
    assert anna.post("/api/images", json={"s3_key": "a", "s3_bucket": BUCKET}).status == 201
    assert anna.post("/api/collections", json={"name": "holidays"}).status == 201
    assert anna.put("/api/collections/holidays/images/a").status == 200
    return web_stack


def test_unknown_parameters_of_private_routes_are_named(stack: WebStack) -> None:
    anna = stack.anna()
    for method in ("GET", "HEAD"):
        for target in (*PAGED, *SINGLE, "/api/signed-post"):
            answer = anna.send(method, f"{target}?page=2&status=failed&page=3")
            assert answer.status == 422, target
            assert method == "HEAD" or (answer.code, answer.faulty_fields) == ("invalid-fields", {"page", "status"})
    for query, names in (("?Limit=1", {"Limit"}), ("?limit=1&=x", {""}), ("?x", {"x"}), ("?%FF", {"%FF"})):
        assert anna.get(f"/api/images{query}").faulty_fields == names
    for target in PAGED:
        assert anna.get(f"{target}?limit=1").status == 200
        assert anna.get(f"{target}?&").status == 200


def test_parameters_of_one_route_or_method_are_unknown_to_others(stack: WebStack) -> None:
    anna = stack.anna()
    for target in (*SINGLE, "/api/signed-post"):
        assert anna.get(f"{target}?limit=1&cursor=x").faulty_fields == {"limit", "cursor"}
    assert anna.get("/api/images?filename=a.jpg").faulty_fields == {"filename"}
    for method, target in [
        ("POST", "/api/images"),
        ("PUT", "/api/images/a"),
        ("DELETE", "/api/images/a"),
        ("POST", "/api/collections"),
        ("DELETE", "/api/collections/holidays"),
        ("PUT", "/api/collections/holidays/images/a"),
        ("DELETE", "/api/collections/holidays/images/a"),
        ("POST", "/api/api-keys"),
        ("PUT", "/api/api-keys/none"),
        ("DELETE", "/api/api-keys/none"),
        ("PUT", "/api/users/anna"),
    ]:
        assert anna.send(method, f"{target}?limit=1").faulty_fields == {"limit"}, (method, target)
    assert anna.get("/api/collections/holidays/images/a").status == 200, "a refused request changed nothing"
    assert anna.get("/api/api-keys").json() == []


def test_public_routes_ignore_what_trackers_add(stack: WebStack) -> None:
    anyone = stack.anna()
    anyone.auth = None
    for target in ("/api/i/a", "/api/c/holidays", "/api/openapi.json", "/api/docs", "/healthz"):
        assert anyone.get(f"{target}?utm_source=x&limit=1").status == 200
    assert anyone.get("/api/c/holidays?utm_source=x&limit=0").faulty_fields == {"limit"}


def test_credentials_and_the_body_are_looked_at_before_parameters(stack: WebStack) -> None:
    anna, nobody = stack.anna(), stack.anna()
    nobody.auth = None
    target = "/api/images/a?page=2"
    assert nobody.get(target).status == 401
    assert anna.put(target, body=b"x" * 70_000).status == 413
    assert anna.put(target, body=b"{", headers={"Content-Type": "text/plain"}).status == 415
    assert anna.put(target, body=b"{", headers={"Content-Type": JSON}).status == 400
    assert anna.put(target, json={"title": 1}).status == 422
    assert anna.get("/api/images/no/such?page=2").status == 422
