"""Web pages of other sites use nothing with the credentials that a browser remembers."""

import base64
from typing import Any

from clients import Answer, Stack, ValidatingClient, path

EVIL = "https://evil.example"
CROSS_SITE = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}
CHANGES = [
    ("POST", "/api/images"),
    ("PUT", "/api/images/a"),
    ("DELETE", "/api/images/a"),
    ("POST", "/api/collections"),
    ("DELETE", "/api/collections/a"),
    ("PUT", "/api/collections/a/images/a"),
    ("DELETE", "/api/collections/a/images/a"),
    ("POST", "/api/api-keys"),
    ("PUT", "/api/api-keys/a"),
    ("DELETE", "/api/api-keys/a"),
    ("POST", "/api/api-keys/a/rotation"),
    ("PUT", "/api/users/anna"),
    ("GET", "/api/signed-post"),
]


def register(by: ValidatingClient, bucket: str, key: str, **headers: str) -> Answer:
    """Register an image by a form, as a web page can."""
    return by.post("/api/images", form={"s3_key": key, "s3_bucket": bucket}, headers=headers)


def test_form_of_another_site_changes_nothing_with_remembered_credentials(
    anna: ValidatingClient, bucket: str, prefix: str
) -> None:
    others: list[dict[str, str]] = [{"Origin": EVIL}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
    for headers in others:
        refused = register(anna, bucket, prefix, **headers)
        assert (refused.status, refused.code) == (403, "cross-site-request")
        assert refused.headers["Access-Control-Allow-Origin"] is None
    assert anna.get(path("images", prefix)).status == 404


def test_page_of_the_gateways_own_host_and_programs_are_served(
    anna: ValidatingClient, bucket: str, prefix: str
) -> None:
    own: list[dict[str, str]] = [
        {},
        {"Origin": anna.base_url},
        {"Sec-Fetch-Site": "same-origin", "Origin": anna.base_url},
        {"Host": "PICS.example", "Origin": "https://pics.example"},
    ]
    for number, headers in enumerate(own):
        assert register(anna, bucket, f"{prefix}/{number}", **headers).status == 201


def test_all_that_is_private_is_protected_and_nothing_else(anna: ValidatingClient, anyone: ValidatingClient) -> None:
    for method, target in CHANGES:
        assert anna.send(method, target, headers={"Origin": EVIL}).code == "cross-site-request"
    for target in ("/api/images", "/api/collections", "/api/api-keys", path("users", anna.username)):
        for method in ("GET", "HEAD"):
            assert anna.send(method, target, headers=CROSS_SITE).status == 403
        followed_link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}
        assert anna.get(target, headers=followed_link).status == 200
    for target in ("/api/openapi.json", "/healthz"):
        assert anna.get(target, headers=CROSS_SITE).status == 200
    assert anna.send("PATCH", "/api/images", headers={"Origin": EVIL}).status == 405
    assert anna.post("/api/nothing", headers={"Origin": EVIL}).status == 404
    assert anyone.post("/api/images", headers={"Origin": EVIL}).status == 401


def test_bearer_token_and_key_of_another_site_differ(stack: Stack, anna: ValidatingClient, prefix: str) -> None:
    """No browser adds a Bearer token by itself; a key as the password of Basic it does."""
    key = anna.post("/api/api-keys").json()["key"]
    by_bearer = ValidatingClient(stack["GATEWAY_URL"], key)
    by_basic = ValidatingClient(stack["GATEWAY_URL"], ("any", key))
    fields: dict[str, Any] = {"json": {"name": prefix}, "headers": CROSS_SITE}
    assert by_basic.post("/api/collections", **fields).status == 403
    assert by_bearer.post("/api/collections", **fields).status == 201
    assert isinstance(anna.auth, tuple)
    for scheme in ("BASIC", "basic"):
        credentials = f"{scheme} {base64.b64encode(':'.join(anna.auth).encode()).decode()}"
        refused = anna.post("/api/images", headers={**CROSS_SITE, "Authorization": credentials})
        assert (refused.status, refused.code) == (403, "cross-site-request")


def test_no_other_origin_may_use_the_private_api_unless_it_is_named(anyone: ValidatingClient) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    for origin in (EVIL, "null"):
        answer = anyone.options("/api/images", headers={"Origin": origin, **asked})
        assert answer.status == 405
        assert answer.headers["Access-Control-Allow-Origin"] is None
