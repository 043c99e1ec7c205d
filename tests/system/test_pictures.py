"""Which pictures become ready and which fail: their content decides, never their name."""

import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from pillow_heif import register_heif_opener

from clients import Register, ValidatingClient, path
from pictures import BLUE, ORANGE, decoded, encoded, photo

if TYPE_CHECKING:
    from collections.abc import Mapping

register_heif_opener()


def rotated() -> bytes:
    picture = Image.new("RGB", (80, 40), BLUE)
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation 6: turned right, it is upright
    return encoded(picture, "JPEG", exif=exif)


def transparent() -> bytes:
    picture = Image.new("RGBA", (200, 100), (0, 0, 0, 0))
    picture.paste((*ORANGE, 255), (0, 0, 100, 100))
    return encoded(picture, "PNG")


PICTURES: "Mapping[str, bytes]" = {
    "a.jpg": photo(320, 240),
    "b.png": photo(320, 240, "PNG"),
    "c.webp": photo(320, 240, "WEBP"),
    "d.gif": photo(320, 240, "GIF"),
    "e.avif": photo(320, 240, "AVIF"),
    "f.tiff": photo(320, 240, "TIFF"),
    "g.bmp": photo(320, 240, "BMP"),
    "h.heic": photo(320, 240, "HEIF"),
    "png-by-content.jpg": photo(321, 240, "PNG"),
    "no-extension": photo(322, 240),
    "rotated.jpg": rotated(),
    "transparent.png": transparent(),
    "invisible.png": encoded(Image.new("RGBA", (30, 30), (0, 0, 0, 0)), "PNG"),
    "white.png": encoded(Image.new("RGB", (100, 100), "white"), "PNG"),
    "dot.png": encoded(Image.new("RGB", (1, 1), ORANGE), "PNG"),
    "line.png": encoded(Image.new("RGB", (3000, 2), ORANGE), "PNG"),
    "text.jpg": b"This is no picture.",
    "page.html": b"<html><script>alert(1)</script></html>",
    "vector.svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "empty.jpg": b"",
    "truncated.jpg": photo(640, 480)[:-2000],
}


@pytest.fixture(scope="module")
def results(alice: ValidatingClient, register: Register) -> dict[str, dict[str, Any]]:
    """The results of all pictures, which are registered at once."""
    uris = {name: register(f"{id(PICTURES):x}/{name}", content)["uri"] for name, content in PICTURES.items()}
    return {name: alice.settled(alice.get(uri).json()["s3_key"], 60) for name, uri in uris.items()}


@pytest.fixture(scope="module", autouse=True)
def _forgotten(alice: ValidatingClient, results: dict[str, dict[str, Any]]) -> Any:
    yield
    for image in results.values():
        alice.delete(image["uri"])


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.jpg", "image/jpeg"),
        ("b.png", "image/png"),
        ("c.webp", "image/webp"),
        ("d.gif", "image/gif"),
        ("e.avif", "image/avif"),
        ("f.tiff", "image/tiff"),
        ("g.bmp", "image/bmp"),
        ("h.heic", "image/heic"),
        ("png-by-content.jpg", "image/png"),
        ("no-extension", "image/jpeg"),
    ],
)
def test_pictures_are_told_by_content(results: dict[str, dict[str, Any]], name: str, content_type: str) -> None:
    assert (results[name]["status"], results[name]["content_type"]) == ("ready", content_type)


def test_originals_that_browsers_do_not_show_have_a_display_picture(results: dict[str, dict[str, Any]]) -> None:
    assert [name for name, image in results.items() if image["display"] is not None] == ["f.tiff", "h.heic"]
    for name in ("f.tiff", "h.heic"):
        with urllib.request.urlopen(results[name]["display"]["url"], timeout=10) as answer:  # noqa: S310
            assert answer.headers.get_content_type() == "image/jpeg"
            assert decoded(answer.read()).size == (320, 240)


def test_size_is_of_the_upright_picture(results: dict[str, dict[str, Any]]) -> None:
    assert results["rotated.jpg"]["size"] == {"width": 40, "height": 80}


def test_thumbs_of_pictures_with_transparency_are_webp(results: dict[str, dict[str, Any]]) -> None:
    with urllib.request.urlopen(results["transparent.png"]["thumbs"][1]["url"], timeout=10) as answer:  # noqa: S310
        assert answer.headers.get_content_type() == "image/webp"
        thumb = decoded(answer.read())
    assert thumb.size == (128, 64)
    assert thumb.convert("RGBA").getpixel((127, 32))[3] == 0  # type: ignore[index]


@pytest.mark.parametrize("name", ["white.png", "invisible.png"])
def test_white_and_invisible_pictures_are_white(results: dict[str, dict[str, Any]], name: str) -> None:
    assert results[name]["colors"] == ["#ffffff"]


def test_a_small_original_gives_thumbs_of_its_own_size(results: dict[str, dict[str, Any]]) -> None:
    assert [thumb["size"] for thumb in results["dot.png"]["thumbs"]] == [{"width": 1, "height": 1}] * 4


def test_no_side_of_a_thumb_is_below_one(results: dict[str, dict[str, Any]]) -> None:
    assert [thumb["size"] for thumb in results["line.png"]["thumbs"]] == [
        {"width": width, "height": 1} for width in (64, 128, 256, 512)
    ]


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("text.jpg", {"unsupported-format"}),
        ("page.html", {"unsupported-format"}),
        ("vector.svg", {"unsupported-format"}),
        ("empty.jpg", {"unsupported-format", "malformed"}),
        ("truncated.jpg", {"malformed"}),
    ],
)
def test_what_is_no_whole_picture_fails_with_a_reason(
    results: dict[str, dict[str, Any]], name: str, codes: set[str]
) -> None:
    image = results[name]
    assert image["status"] == "failed"
    assert image["error"]["code"] in codes
    assert image["thumbs"] == []


def test_a_missing_object_fails_within_a_minute(alice: ValidatingClient, bucket: str, prefix: str) -> None:
    alice.post("/api/images", json={"s3_key": prefix, "s3_bucket": bucket})
    assert alice.settled(prefix, 60)["error"]["code"] == "original-missing"


def test_an_image_that_failed_can_be_uploaded_and_processed_again(
    alice: ValidatingClient, register: Register, prefix: str
) -> None:
    register(prefix, b"not yet a picture")
    assert alice.settled(prefix)["status"] == "failed"
    alice.delete(path("images", prefix))
    register(prefix, photo(64, 48))
    assert alice.settled(prefix)["status"] == "ready"
