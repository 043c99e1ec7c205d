"""Public resources: CORS, OPTIONS, caching, HEAD."""

from typing import Any

import pytest

from clients import ValidatingClient, path


@pytest.fixture
def public_targets(alice: ValidatingClient, ready_image: dict[str, Any], prefix: str) -> list[str]:
    alice.post("/api/collections", json={"name": prefix})
    return [path("i", ready_image["s3_key"]), path("c", prefix)]


def test_public_resources_may_be_read_by_every_web_page(anyone: ValidatingClient, public_targets: list[str]) -> None:
    for target in [*public_targets, "/api/openapi.json"]:
        answer = anyone.get(target, headers={"Origin": "https://example.org"})
        assert answer.status == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Access-Control-Expose-Headers"] == "ETag, Link, X-Request-ID"
        assert answer.headers["Access-Control-Allow-Credentials"] is None


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/api/i/no/such", 404),
        ("/api/c/no-such", 404),
        ("/api/c/no%20such", 404),
        ("/api/i/%FF", 400),
        ("/api/c/no-such?limit=0", 422),
    ],
)
def test_errors_of_public_resources_may_be_read_too(anyone: ValidatingClient, target: str, status: int) -> None:
    answer = anyone.get(target)
    assert answer.status == status
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH", "TRACE"])
def test_other_methods_of_public_resources_are_405_and_may_be_read_too(
    anyone: ValidatingClient, public_targets: list[str], method: str
) -> None:
    for target in public_targets:
        answer = anyone.send(method, target)
        assert (answer.status, answer.code) == (405, "method-not-allowed")
        assert {name.strip() for name in answer.headers["Allow"].split(",")} == {"GET", "HEAD", "OPTIONS"}


def test_options_tells_methods_and_headers(anyone: ValidatingClient, public_targets: list[str]) -> None:
    asked = {
        "Origin": "https://example.org",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "if-none-match",
    }
    for target in [*public_targets, "/api/i/no/such", "/api/c/no-such", "/api/openapi.json"]:
        answer = anyone.options(target, headers=asked)
        assert (answer.status, answer.body) == (204, b"")
        assert answer.headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"
        assert answer.headers["Access-Control-Allow-Headers"] == "If-None-Match, X-Request-ID"


@pytest.mark.parametrize(
    "target", ["/api/images", "/api/images/x", "/api/api-keys", "/api/users/x", "/api/signed-post"]
)
def test_private_resources_have_no_options_and_no_cors(alice: ValidatingClient, target: str) -> None:
    answer = alice.options(target)
    assert answer.status == 405
    assert answer.headers["Access-Control-Allow-Origin"] is None
    assert alice.get(target).headers["Access-Control-Allow-Origin"] is None


def test_public_answers_may_be_cached_for_a_short_time(anyone: ValidatingClient, public_targets: list[str]) -> None:
    for target in public_targets:
        policy, _, age = anyone.get(target).headers["Cache-Control"].partition(", max-age=")
        assert policy == "public"
        assert 0 <= int(age) <= 60


def test_public_resources_take_no_notice_of_credentials(
    stack: dict[str, str], anyone: ValidatingClient, public_targets: list[str]
) -> None:
    wrong = ValidatingClient(stack["GATEWAY_URL"], ("nobody", "wrong"))
    for target in public_targets:
        assert wrong.get(target).body == anyone.get(target).body


def test_a_public_collection_shows_its_images_in_public_form(
    alice: ValidatingClient, anyone: ValidatingClient, ready_image: dict[str, Any], prefix: str
) -> None:
    alice.post("/api/collections", json={"name": prefix})
    alice.put(path("collections", prefix, "images", ready_image["s3_key"]))
    assert anyone.get(path("c", prefix)).json() == {
        "type": "collection",
        "name": prefix,
        "images": [anyone.get(path("i", ready_image["s3_key"])).json()],
    }


def test_head_works_wherever_get_does(
    alice: ValidatingClient, public_targets: list[str], ready_image: dict[str, Any], prefix: str
) -> None:
    member = path("collections", prefix, "images", ready_image["s3_key"])
    alice.put(member)
    key = alice.post("/api/api-keys").json()["uri"]
    user = path("users", alice.username)
    service = ["/healthz", "/readyz", "/api/openapi.json", "/api/docs", "/api/docs/docs.js"]
    lists = ["/api/images?limit=1", "/api/collections?limit=1", "/api/api-keys?limit=1", path("collections", prefix)]
    missing = ["/api/i/no/such", "/api/images/no/such", "/nothing"]
    for target in [*public_targets, member, key, user, *service, *lists, ready_image["uri"], *missing]:
        got, headed = alice.get(target), alice.head(target)
        assert headed.status == got.status, target
        assert headed.headers["ETag"] == got.headers["ETag"], target
        assert headed.headers["Content-Type"] == got.headers["Content-Type"], target
        assert headed.headers["Content-Length"] in {got.headers["Content-Length"], None}, target
    for target in ("/api/signed-post", "/api/signed-post?filename=a.png"):
        got, headed = alice.get(target), alice.head(target)
        assert headed.status == got.status == 200
        for name in ("Content-Type", "Content-Length", "Cache-Control"):
            assert headed.headers[name] == got.headers[name]
    assert alice.head("/api/signed-post?content_type=text/html").status == 422
