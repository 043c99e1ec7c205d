"""S3 keys with all odd characters, and paths that try to name something else."""

from urllib.parse import quote

import pytest

from clients import ValidatingClient, path

ODD_NAMES = [
    "with space.jpg",
    "a+b.jpg",
    "100%.jpg",
    "100%25.jpg",
    "slash%2Fin.jpg",
    "what?.jpg",
    "q?limit=1&cursor=2",
    "hash#1.jpg",
    "back\\slash.jpg",
    "ä.jpg",
    "a\u0308.jpg",
    "🌍.jpg",
    "日本語.jpg",
    "semi;colon.jpg",
    "amp&er=sand.jpg",
    "quote'\".jpg",
    "<b>.jpg",
    "{x}.jpg",
    "[1].jpg",
    "|.jpg",
    "^`.jpg",
    "~tilde.jpg",
    "@:,$!*().jpg",
    "...",
    "..a",
    ".hidden",
    " leading and trailing ",
    "t512",
    "t512x/name",
    "\u200b.jpg",
]

REFUSED_KEYS = [
    "",
    "/",
    "/leading",
    "trailing/",
    "a//b",
    ".",
    "..",
    "a/./b",
    "a/../b",
    "../a",
    "a/..",
    "new\nline",
    "tab\tbed",
    "delete\x7f",
    "nul\x00",
    "t64/name",
    "dir/t512/name",
    "t1/x",
    "x" * 1001,
    "ä" * 501,
    "\ud800",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_keys_work_everywhere(
    alice: ValidatingClient, anyone: ValidatingClient, bucket: str, prefix: str, name: str
) -> None:
    s3_key = f"{prefix}/{name}"
    answer = alice.post("/api/images", json={"s3_key": s3_key, "s3_bucket": bucket})
    assert answer.status == 201
    image = answer.json()
    encoded = quote(s3_key)
    assert (image["s3_key"], image["uri"]) == (s3_key, f"/api/images/{encoded}")
    assert image["url"].endswith(f"/{bucket}/{encoded}")
    for target in (encoded, quote(s3_key, safe="")):
        assert alice.get(f"/api/images/{target}").json()["s3_key"] == s3_key
        assert anyone.get(f"/api/i/{target}").json()["s3_key"] == s3_key
    assert alice.put(image["uri"], form={"title": "Ö"}).json()["title"] == "Ö"
    assert alice.delete(image["uri"]).status == 204


def test_key_with_percent_2f_is_not_the_key_with_a_slash(alice: ValidatingClient, bucket: str, prefix: str) -> None:
    for s3_key in (f"{prefix}/a%2Fb", f"{prefix}/a/b", f"{prefix}/a%252Fb"):
        assert alice.post("/api/images", json={"s3_key": s3_key, "s3_bucket": bucket}).status == 201
    assert alice.get(f"/api/images/{prefix}/a%252Fb").json()["s3_key"] == f"{prefix}/a%2Fb"
    assert alice.get(f"/api/images/{prefix}/a%2Fb").json()["s3_key"] == f"{prefix}/a/b"
    assert alice.get(f"/api/images/{prefix}/a%25252Fb").json()["s3_key"] == f"{prefix}/a%252Fb"


def test_a_plus_in_a_path_is_a_plus(alice: ValidatingClient, bucket: str, prefix: str) -> None:
    alice.post("/api/images", json={"s3_key": f"{prefix}/a+b", "s3_bucket": bucket})
    assert alice.get(f"/api/images/{prefix}/a+b").status == 200
    assert alice.get(f"/api/images/{prefix}/a%20b").status == 404


@pytest.mark.parametrize("s3_key", REFUSED_KEYS)
def test_unacceptable_keys_are_refused_and_named(alice: ValidatingClient, bucket: str, s3_key: str) -> None:
    answer = alice.post("/api/images", json={"s3_key": s3_key, "s3_bucket": bucket})
    assert (answer.status, answer.code) == (422, "invalid-fields")
    assert answer.faulty_fields == {"/s3_key"}


@pytest.mark.parametrize("s3_key", ["x" * 1000, "ä" * 500, "🌍" * 250])
def test_a_key_of_a_thousand_bytes_is_accepted(
    alice: ValidatingClient, anyone: ValidatingClient, bucket: str, s3_key: str, prefix: str
) -> None:
    distinct = prefix + s3_key[: len(s3_key) - len(prefix)] if s3_key.isascii() else s3_key
    answer = alice.post("/api/images", json={"s3_key": distinct, "s3_bucket": bucket})
    assert answer.status == 201
    assert anyone.get(path("i", distinct)).json()["s3_key"] == distinct
    assert alice.delete(path("images", distinct)).status == 204


@pytest.mark.parametrize("target", ["%FF", "a/%E9", "%C3", "%ED%A0%80", "%C0%AF", "a%00b", "%00"])
@pytest.mark.parametrize("resource", ["/api/i/", "/api/images/"])
def test_paths_that_are_not_utf8_or_contain_nul_are_400(alice: ValidatingClient, resource: str, target: str) -> None:
    answer = alice.get(resource + target)
    assert (answer.status, answer.code) == (400, "malformed-path")


@pytest.mark.parametrize(
    "target",
    [
        "..%2F..%2Fhealthz",
        "%2e%2e/%2e%2e/healthz",
        "../../healthz",
        "..",
        "%2e%2e",
        ".",
        "/double",
        "a//b",
        "a%2F%2Fb",
        "trailing/",
        "trailing%2F",
        "%2F",
        "a%0Ab",
        "t64/name",
        "x" * 1001,
    ],
)
@pytest.mark.parametrize("resource", ["/api/i/", "/api/images/"])
def test_a_key_that_no_image_can_have_is_not_found(alice: ValidatingClient, resource: str, target: str) -> None:
    answer = alice.get(resource + target)
    assert (answer.status, answer.code) == (404, "image-not-found")


@pytest.mark.parametrize(
    "target",
    [
        "/api",
        "/api/",
        "/api/i",
        "/api/i/",
        "/api/images/",
        "/api/collections/",
        "/api/api-keys/",
        "/api/signed-post/",
        "/api/docs/",
        "/console",
        "/console/",
        "/console/../api/docs",
        "/healthz/",
        "//api/images",
        "/api//images",
        "/%61pi/images",
        "/api%2Fimages",
        "/api/%69mages",
        "/API/images",
        "/api/./images",
        "/api/x/../images",
        "/metrics",
        "/api/metrics",
        "/favicon.ico",
        "/static/x",
    ],
)
def test_paths_are_matched_as_sent_and_nothing_redirects(alice: ValidatingClient, target: str) -> None:
    answer = alice.get(target)
    assert (answer.status, answer.code) == (404, "not-found")
