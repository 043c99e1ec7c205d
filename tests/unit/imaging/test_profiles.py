"""Pictures with colour profiles: in sRGB each has the colours that the definition of its colour space gives."""

from typing import Any

import pytest
from PIL import Image

from colour_maths import (
    ADOBE_RGB,
    DISPLAY_P3,
    Colour,
    Space,
    cmyk_profile,
    encoded_srgb,
    grey_in_srgb,
    grey_profile,
    ink_lab,
    lab_in_srgb,
)
from imaging.domain import Limits, Rendering
from imaging.pipeline import render
from pictures import decoded, encoded

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF", "BMP", "HEIF")
LIMITS = Limits(64 * 1024 * 1024, 64_000_000, 30_000, 1024**3, FORMATS)
# Lossless, or nearly so, so that any difference is the conversion's. (AVIF rounds by a step, which is more in sRGB.)
CARRIERS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "PNG": {},
    "TIFF": {},
    "WEBP": {"lossless": True},
    "AVIF": {"quality": 100},
    "HEIF": {"quality": -1},
}
SMALL, LARGE = (60, 40), (2300, 1200)


def shown(picture: Image.Image, file_format: str, profile: bytes, **options: Any) -> Colour:
    """Return the one colour of the thumbs of `picture`."""
    return colour_of(render(encoded(picture, file_format, icc_profile=profile, **options), LIMITS, (64, 512)))


def colour_of(made: Rendering) -> Colour:
    assert len(made.colors) == 1
    red, green, blue = bytes.fromhex(made.colors[0][1:])
    for thumb in made.thumbs:
        pixel = decoded(thumb.data).convert("RGB").getpixel((thumb.width // 2, thumb.height // 2))
        assert isinstance(pixel, tuple)
        assert alike((int(pixel[0]), int(pixel[1]), int(pixel[2])), (red, green, blue), 4)
    return red, green, blue


def alike(one: Colour, other: Colour, tolerance: int = 3) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= tolerance


@pytest.mark.parametrize("colour", [(200, 100, 50), (90, 140, 120), (0, 255, 0), (128, 128, 128), (255, 255, 255)])
@pytest.mark.parametrize("space", [DISPLAY_P3, ADOBE_RGB], ids=["display-p3", "adobe-rgb"])
@pytest.mark.parametrize("carrier", CARRIERS)
def test_wide_colours_are_shown_as_srgb_shows_them(carrier: str, space: Space, colour: Colour) -> None:
    expected = space.in_srgb(colour)
    made = shown(Image.new("RGB", SMALL, colour), carrier, space.profile(), **CARRIERS[carrier])
    assert alike(made, expected, 6 if carrier == "AVIF" else 3)


@pytest.mark.parametrize("carrier", ["JPEG", "PNG"])
def test_large_picture_is_converted_like_a_small_one(carrier: str) -> None:
    large = Image.new("RGB", LARGE, (200, 100, 50))
    expected = DISPLAY_P3.in_srgb((200, 100, 50))
    assert alike(shown(large, carrier, DISPLAY_P3.profile(), **CARRIERS[carrier]), expected)


@pytest.mark.parametrize("carrier", ["PNG", "TIFF", "WEBP"])
def test_profile_changes_the_colours_of_a_transparent_picture_and_not_its_transparency(carrier: str) -> None:
    picture = Image.new("RGBA", SMALL, (200, 100, 50, 128))
    made = render(encoded(picture, carrier, icc_profile=DISPLAY_P3.profile(), **CARRIERS[carrier]), LIMITS, (64,))
    assert alike(colour_of(made), DISPLAY_P3.in_srgb((200, 100, 50)))
    pixel = decoded(made.thumbs[0].data).convert("RGBA").getpixel((10, 10))
    assert isinstance(pixel, tuple)
    assert abs(pixel[3] - 128) <= 2


def test_colours_of_a_palette_are_converted() -> None:
    picture = Image.new("P", SMALL, 0)
    picture.putpalette([200, 100, 50])
    assert alike(shown(picture, "PNG", DISPLAY_P3.profile()), DISPLAY_P3.in_srgb((200, 100, 50)))


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.2])
@pytest.mark.parametrize("carrier", ["JPEG", "PNG", "TIFF"])
def test_greys_are_as_light_as_their_profile_says(carrier: str, gamma: float) -> None:
    grey = Image.new("L", SMALL, 100)
    assert alike(shown(grey, carrier, grey_profile(gamma), **CARRIERS[carrier]), grey_in_srgb(100, gamma))


@pytest.mark.parametrize("mode", ["LA", "I;16", "1"])
def test_greys_of_other_depths_and_with_transparency_are_too(mode: str) -> None:
    value: Any = {"LA": (100, 128), "I;16": 100 * 257, "1": 1}[mode]
    expected = grey_in_srgb(255 if mode == "1" else 100, 1.0)
    assert alike(shown(Image.new(mode, SMALL, value), "PNG", grey_profile(1.0)), expected)


def test_grey_picture_with_a_profile_of_colours_has_its_curve_and_no_colour() -> None:
    shade = shown(Image.new("L", SMALL, 100), "JPEG", ADOBE_RGB.profile(), **CARRIERS["JPEG"])
    assert alike(shade, ADOBE_RGB.in_srgb((100, 100, 100)))


INKS = [
    (0, 0, 0, 0),
    (255, 0, 0, 0),
    (0, 255, 0, 0),
    (0, 0, 255, 0),
    (0, 0, 0, 255),
    (0, 255, 255, 0),
    (0, 0, 102, 0),
    (0, 0, 0, 153),
]


@pytest.mark.parametrize("inks", INKS)
@pytest.mark.parametrize("carrier", ["JPEG", "TIFF"])
def test_inks_look_as_the_printers_profile_says(carrier: str, inks: tuple[int, int, int, int]) -> None:
    expected = lab_in_srgb(ink_lab((inks[0] / 255, inks[1] / 255, inks[2] / 255, inks[3] / 255)))
    picture = Image.new("CMYK", SMALL, inks)
    assert alike(shown(picture, carrier, cmyk_profile(), **CARRIERS[carrier]), expected)


@pytest.mark.parametrize("inks", INKS)
@pytest.mark.parametrize("carrier", ["JPEG", "TIFF"])
def test_inks_without_a_profile_take_away_their_share_of_light(carrier: str, inks: tuple[int, int, int, int]) -> None:
    red, green, blue = (round((255 - ink) * (255 - inks[3]) / 255) for ink in inks[:3])
    data = encoded(Image.new("CMYK", SMALL, inks), carrier, **CARRIERS[carrier])
    assert alike(colour_of(render(data, LIMITS, (64,))), (red, green, blue))


def test_jpeg_counts_inks_downwards_as_adobe_does_and_browsers_expect() -> None:
    """In the file 255 means no ink, with the Adobe segment and without."""
    data = encoded(Image.new("CMYK", SMALL, (0, 255, 255, 0)), "JPEG", **CARRIERS["JPEG"])
    at = data.index(b"\xff\xee")
    bare = data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4]) :]
    assert alike(colour_of(render(data, LIMITS, (64,))), (255, 0, 0))
    assert alike(colour_of(render(bare, LIMITS, (64,))), (255, 0, 0))


def broken_profiles() -> dict[str, bytes]:
    """Profiles that are broken, or made for other channels."""
    good = DISPLAY_P3.profile()
    return {
        "rubbish": b"no profile at all",
        "cut": good[:300],
        "nothing but its header": good[:128],
        "tags at nowhere": good[:132] + b"\xff" * (len(good) - 132),
        "no tags": good[:128] + bytes(4),
        "no colorants": good.replace(b"rXYZ", b"none"),
        "colours of another kind": good.replace(b"RGB XYZ ", b"6CLRXYZ "),
        "inks": cmyk_profile(),
        "greys": grey_profile(1.0),
    }


@pytest.mark.parametrize("name", broken_profiles())
@pytest.mark.parametrize("carrier", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_broken_profile_and_one_for_other_channels_count_as_none(carrier: str, name: str) -> None:
    picture = Image.new("RGB", SMALL, (200, 100, 50))
    assert alike(shown(picture, carrier, broken_profiles()[name], **CARRIERS[carrier]), (200, 100, 50))


def test_broken_profile_of_inks_counts_as_none() -> None:
    picture = Image.new("CMYK", SMALL, (0, 255, 255, 0))
    assert alike(shown(picture, "JPEG", cmyk_profile()[:500], **CARRIERS["JPEG"]), (255, 0, 0))


def test_profile_of_a_tiff_that_is_a_number_counts_as_none() -> None:
    data = encoded(Image.new("RGB", SMALL, (200, 100, 50)), "TIFF", icc_profile=b"12345678")
    entry = data.index((34675).to_bytes(2, "little"))
    for number in (b"\3\0", b"\x0b\0"):
        odd = data[: entry + 2] + number + b"\1\0\0\0" + data[entry + 8 :]
        assert alike(colour_of(render(odd, LIMITS, (64,))), (200, 100, 50))


def test_lab_needs_no_profile() -> None:
    """A TIFF in CIELAB says so in its header and needs no profile."""
    picture = Image.merge("LAB", [Image.new("L", SMALL, value) for value in (153, 128 + 40, 128 - 20)])
    expected = lab_in_srgb((153 / 2.55, 40, -20))
    assert alike(colour_of(render(encoded(picture, "TIFF"), LIMITS, (64,))), expected)


def test_the_maths_agree_with_published_values() -> None:
    """The values of Lindbloom's calculator: Adobe RGB's green is outside of sRGB, L = 50 is nearest to 119 in sRGB."""
    assert ADOBE_RGB.in_srgb((0, 255, 0)) == (0, 255, 0)
    assert lab_in_srgb((50, 0, 0)) == (119, 119, 119)
    assert encoded_srgb(DISPLAY_P3.to_xyz() @ [0, 0, 0] + 0.2140) == (127, 127, 127)
