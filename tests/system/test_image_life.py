"""The life of an image: registered, ready, changed, processed again, deleted."""

import hashlib
import urllib.request
from functools import cache
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from clients import Register, ValidatingClient, path
from deadlines import until
from pictures import decoded, photo

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def fetched(url: str) -> tuple[str, bytes]:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - an address of the stack under test
        return answer.headers.get_content_type(), answer.read()


def keys(s3: "S3Client", bucket: str, prefix: str) -> set[str]:
    return {item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/").get("Contents", [])}


def test_registering_answers_pending_at_once(register: Register, prefix: str) -> None:
    image = register(f"{prefix}/name.jpg", title="A title")
    assert image["status"] == "pending"
    assert (image["size"], image["colors"], image["thumbs"], image["error"]) == (None, [], [], None)
    assert (image["title"], image["description"]) == ("A title", "")
    assert image["uri"] == f"/api/images/{prefix}/name.jpg"


def test_location_and_etag_of_the_answer_lead_to_the_image(alice: ValidatingClient, bucket: str, prefix: str) -> None:
    answer = alice.post("/api/images", json={"s3_key": f"{prefix}/ä b.jpg", "s3_bucket": bucket})
    assert answer.headers["Location"] == f"/api/images/{prefix}/%C3%A4%20b.jpg" == answer.json()["uri"]
    assert alice.get(answer.headers["Location"]).status == 200


def test_a_photo_gets_ready_with_four_thumbs_and_colours(ready_image: dict[str, Any]) -> None:
    assert ready_image["status"] == "ready"
    assert ready_image["size"] == {"width": 1920, "height": 1080}
    assert ready_image["content_type"] == "image/jpeg"
    assert ready_image["bytes"] == len(photo())
    assert ready_image["sha256"] == hashlib.sha256(photo()).hexdigest()
    assert [thumb["size"] for thumb in ready_image["thumbs"]] == [
        {"width": 64, "height": 36},
        {"width": 128, "height": 72},
        {"width": 256, "height": 144},
        {"width": 512, "height": 288},
    ]
    blue = ready_image["colors"][0]
    assert int(blue[5:], 16) > 150 > int(blue[1:3], 16), "most of the picture is blue"


def test_thumbs_lie_where_the_seed_says_and_open_over_http(ready_image: dict[str, Any], bucket: str) -> None:
    folder, name = ready_image["s3_key"].split("/")
    for square, thumb in zip((64, 128, 256, 512), ready_image["thumbs"], strict=True):
        assert thumb["url"].endswith(f"{bucket}/{folder}/t{square}/{name}")
        content_type, content = fetched(thumb["url"])
        assert content_type == "image/jpeg"
        assert decoded(content).size == (thumb["size"]["width"], thumb["size"]["height"])


def test_the_url_of_an_image_opens_over_http(ready_image: dict[str, Any]) -> None:
    _, content = fetched(ready_image["url"])
    assert content == photo()


def test_the_public_form_is_the_seeds_with_status_placeholder_and_date(
    anyone: ValidatingClient, ready_image: dict[str, Any]
) -> None:
    public = anyone.get(path("i", ready_image["s3_key"])).json()
    assert public == {name: ready_image[name] for name in public}
    assert public["title"] == "Image Title"


def test_thumbs_of_a_key_at_the_root_lie_in_folders_at_the_root(
    alice: ValidatingClient, register: Register, prefix: str
) -> None:
    register(f"{prefix}.jpg", photo(300, 200))
    image = alice.settled(f"{prefix}.jpg")
    assert [thumb["url"].rsplit("/", 2)[1:] for thumb in image["thumbs"]] == [
        [f"t{square}", f"{prefix}.jpg"] for square in (64, 128, 256, 512)
    ]
    assert [thumb["size"]["width"] for thumb in image["thumbs"]] == [64, 128, 256, 300]


def test_a_change_of_the_title_shows_publicly_within_a_second(
    alice: ValidatingClient, anyone: ValidatingClient, register: Register, prefix: str
) -> None:
    register(prefix, title="Old", description="Stays")
    public = path("i", prefix)
    anyone.get(public)
    changed = alice.put(path("images", prefix), json={"title": "New"})
    assert (changed.status, changed.json()["title"], changed.json()["description"]) == (200, "New", "Stays")
    until(lambda: anyone.get(public).json()["title"] == "New", 1, "the new title shows publicly")


def test_put_without_fields_changes_nothing(alice: ValidatingClient, ready_image: dict[str, Any]) -> None:
    uri = ready_image["uri"]
    before = alice.get(uri)
    assert alice.put(uri).json() == before.json()
    assert alice.put(uri, json={}).json() == before.json()
    assert alice.get(uri).headers["ETag"] == before.headers["ETag"]


def test_a_change_of_the_title_does_not_process_again(alice: ValidatingClient, register: Register, prefix: str) -> None:
    register(prefix)
    alice.settled(prefix)
    assert alice.put(path("images", prefix), json={"title": "New"}).json()["status"] == "ready"


@pytest.mark.parametrize("how", [{"json": {"reprocess": True}}, {"form": {"reprocess": "true"}}], ids=["json", "form"])
def test_reprocess_shows_the_old_result_until_the_new_one(
    alice: ValidatingClient,
    register: Register,
    s3: "S3Client",
    bucket: str,
    prefix: str,
    how: dict[str, Any],
) -> None:
    register(prefix, photo(320, 200))
    old = alice.settled(prefix)
    s3.put_object(Bucket=bucket, Key=prefix, Body=photo(100, 400))
    answer = alice.put(path("images", prefix), **how)
    assert answer.status == 200
    assert answer.json()["status"] == "pending"
    assert [answer.json()[name] for name in ("size", "colors", "thumbs")] == [
        old[name] for name in ("size", "colors", "thumbs")
    ]
    new = alice.settled(prefix)
    assert new["size"] == {"width": 100, "height": 400}
    assert decoded(fetched(new["thumbs"][0]["url"])[1]).size == (16, 64)


class ReadsImages(HTMLParser):
    """Collects the addresses of pictures that a page shows."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.urls += [str(value) for name, value in attrs if name == "src"]


@pytest.mark.parametrize("how", ["reprocess", "delete"])
def test_a_public_page_shows_a_new_picture_at_once_through_a_cache_that_keeps_all_it_has(
    alice: ValidatingClient,
    anyone: ValidatingClient,
    register: Register,
    s3: "S3Client",
    bucket: str,
    prefix: str,
    how: str,
) -> None:
    cached = cache(fetched)  # by the whole address, for ever

    def sizes() -> set[tuple[int, int]]:
        reader = ReadsImages()
        reader.feed(anyone.get(f"/i/{prefix}").body.decode())
        image = anyone.get(path("i", prefix)).json()
        urls = [*reader.urls, image["url"], *(thumb["url"] for thumb in image["thumbs"])]
        return {decoded(cached(url)[1]).size for url in urls}

    first = register(prefix, photo(96, 48))
    assert "?" not in first["url"]
    alice.settled(prefix)
    assert sizes() == {(96, 48), (64, 32)}
    if how == "reprocess":
        s3.put_object(Bucket=bucket, Key=prefix, Body=photo(48, 96))
        alice.put(path("images", prefix), json={"reprocess": True})
    else:
        alice.delete(path("images", prefix))
        register(prefix, photo(48, 96))
    assert alice.settled(prefix)["url"] == f"{first['url']}?v=2"
    until(lambda: sizes() == {(48, 96), (32, 64)}, 2, "the new picture is shown")


def test_deleting_takes_the_thumbs_and_leaves_the_original(
    alice: ValidatingClient, anyone: ValidatingClient, register: Register, s3: "S3Client", bucket: str, prefix: str
) -> None:
    s3_key = f"{prefix}/name"
    register(s3_key)
    alice.settled(s3_key)
    answer = alice.delete(path("images", s3_key))
    assert (answer.status, answer.body) == (204, b"")
    assert alice.get(path("images", s3_key)).code == "image-not-found"
    assert anyone.get(path("i", s3_key)).code == "image-not-found"
    assert alice.delete(path("images", s3_key)).code == "image-not-found"
    until(lambda: keys(s3, bucket, prefix) == {s3_key}, 20, "the thumbs are gone and the original is there")


def test_a_key_can_be_registered_again_at_once_after_deletion(
    alice: ValidatingClient, register: Register, s3: "S3Client", bucket: str, prefix: str
) -> None:
    register(f"{prefix}/name", photo(64, 48))
    alice.settled(f"{prefix}/name")
    alice.delete(path("images", f"{prefix}/name"))
    register(f"{prefix}/name", photo(600, 300))
    assert alice.settled(f"{prefix}/name", 30)["size"] == {"width": 600, "height": 300}
    for square in (64, 128, 256, 512):
        s3.head_object(Bucket=bucket, Key=f"{prefix}/t{square}/name")


def test_a_foreign_object_where_a_thumb_should_go_is_not_overwritten(
    alice: ValidatingClient, register: Register, s3: "S3Client", bucket: str, prefix: str
) -> None:
    occupied = f"{prefix}/t128/name"
    s3.put_object(Bucket=bucket, Key=occupied, Body=b"somebody's")
    register(f"{prefix}/name")
    image = alice.settled(f"{prefix}/name")
    assert image["error"]["code"] == "thumb-key-occupied"
    assert s3.get_object(Bucket=bucket, Key=occupied)["Body"].read() == b"somebody's"
    alice.delete(path("images", f"{prefix}/name"))
    until(lambda: keys(s3, bucket, prefix) == {f"{prefix}/name", occupied}, 20, "no thumb of ours is left")
    assert s3.get_object(Bucket=bucket, Key=occupied)["Body"].read() == b"somebody's"


def test_a_registered_key_is_taken(alice: ValidatingClient, ready_image: dict[str, Any], bucket: str) -> None:
    answer = alice.post("/api/images", json={"s3_key": ready_image["s3_key"], "s3_bucket": bucket, "title": "Other"})
    assert (answer.status, answer.code) == (409, "image-exists")
    assert alice.get(ready_image["uri"]).json()["title"] == "Image Title"
