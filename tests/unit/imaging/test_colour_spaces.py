"""Colours that numbers tell instead of a profile, and light that is brighter than white."""

import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bad_pictures.boxes import find
from bad_pictures.png import MAGIC, chunk
from colour_maths import ADOBE_RGB, DISPLAY_P3, Colour, encoded_srgb
from imaging.domain import Limits
from imaging.pipeline import render
from pictures import decoded, encoded

LIMITS = Limits(64 * 1024 * 1024, 64_000_000, 30_000, 1024**3, ("PNG", "AVIF", "HEIF", "JPEG"))
SIZE = (60, 40)
AFTER_HEADER = len(MAGIC) + 25


def shown(data: bytes) -> Colour:
    """Return the colour in the middle of the thumb."""
    pixel = decoded(render(data, LIMITS, (64,)).thumbs[0].data).convert("RGB").getpixel((30, 20))
    assert isinstance(pixel, tuple)
    return int(pixel[0]), int(pixel[1]), int(pixel[2])


def alike(one: Colour, other: Colour, tolerance: int = 7) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= tolerance


def png(colour: Any, *chunks: bytes, mode: str = "RGB", **options: Any) -> bytes:
    data = encoded(Image.new(mode, SIZE, colour), "PNG", **options)
    return data[:AFTER_HEADER] + b"".join(chunks) + data[AFTER_HEADER:]


def gamma(value: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(value * 100_000)))


def cicp(primaries: int, transfer: int) -> bytes:
    return chunk(b"cICP", bytes((primaries, transfer, 0, 1)))


P3_PRIMARIES = chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
def test_gamma_of_a_png_counts(mode: str) -> None:
    grey: Any = {"RGB": (100,) * 3, "RGBA": (100, 100, 100, 255), "L": 100, "P": 0}[mode]
    data = encoded(Image.new(mode, SIZE, grey), "PNG")
    if mode == "P":
        picture = Image.new("P", SIZE, 0)
        picture.putpalette([100, 100, 100])
        data = encoded(picture, "PNG")
    data = data[:AFTER_HEADER] + gamma(1.0) + data[AFTER_HEADER:]
    assert alike(shown(data), encoded_srgb(np.full(3, 100 / 255)))


def test_gamma_that_is_usual_changes_nothing() -> None:
    assert alike(shown(png((100, 50, 200), gamma(1 / 2.2))), (100, 50, 200), 3)


def test_primaries_of_a_png_count_and_srgb_and_a_profile_before_them() -> None:
    colour = (200, 100, 50)
    assert alike(shown(png(colour, gamma(1 / 2.2), P3_PRIMARIES)), DISPLAY_P3.in_srgb(colour))
    assert alike(shown(png(colour, chunk(b"sRGB", b"\0"), gamma(1.0), P3_PRIMARIES)), colour)
    assert alike(shown(png(colour, gamma(1.0), icc_profile=ADOBE_RGB.profile())), ADOBE_RGB.in_srgb(colour))


@pytest.mark.parametrize(
    "chunks", [gamma(0), chunk(b"cHRM", bytes(32)), chunk(b"cHRM", struct.pack(">8I", *[33_000] * 8))]
)
def test_numbers_that_make_no_sense_count_for_nothing(chunks: bytes) -> None:
    assert alike(shown(png((200, 100, 50), chunks)), (200, 100, 50))


def test_numbers_of_a_png_count_before_its_profile() -> None:
    colour = (200, 100, 50)
    assert alike(shown(png(colour, cicp(12, 13))), DISPLAY_P3.in_srgb(colour))
    assert alike(shown(png(colour, cicp(12, 13), icc_profile=ADOBE_RGB.profile())), DISPLAY_P3.in_srgb(colour))
    assert alike(shown(png(colour, cicp(1, 13), icc_profile=ADOBE_RGB.profile())), colour)


@pytest.mark.parametrize("name", ["AVIF", "HEIF"])
def test_primaries_of_a_picture_in_boxes_count(name: str) -> None:
    data = bytearray(encoded(Image.new("RGB", SIZE, (200, 100, 50)), name, quality=95))
    at = find(bytes(data), b"colr")[0] + 8
    assert data[at : at + 4] == b"nclx"
    data[at + 4 : at + 8] = struct.pack(">HH", 12, 13)
    assert alike(shown(bytes(data)), DISPLAY_P3.in_srgb((200, 100, 50)), 8)


def pq(nits: float) -> int:
    """Return the sample of eight bits that stands for light of so many cd/m² (SMPTE ST 2084)."""
    y = (nits / 10_000) ** (2610 / 16384)
    signal: float = ((3424 / 4096 + 2413 / 128 * y) / (1 + 2392 / 128 * y)) ** (2523 / 4096 * 128)
    return round(255 * signal)


def hlg(nits: float) -> int:
    """Return the sample of eight bits for grey light of so many cd/m² on a display of 1000 (BT.2100)."""
    scene = (nits / 1000) ** (1 / 1.2)
    signal = (3 * scene) ** 0.5 if scene <= 1 / 12 else 0.17883277 * np.log(12 * scene - 0.28466892) + 0.55991073
    return round(255 * float(signal))


@pytest.mark.parametrize(("curve", "number"), [(pq, 16), (hlg, 18)])
@pytest.mark.parametrize("share", [0.02, 0.1, 0.2, 0.4])
def test_light_up_to_a_bright_grey_looks_as_in_a_picture_without_more(curve: Any, number: int, share: float) -> None:
    expected = encoded_srgb(np.full(3, share))
    assert alike(shown(png((curve(203 * share),) * 3, cicp(9, number))), expected, 8)


@pytest.mark.parametrize(("curve", "number"), [(pq, 16), (hlg, 18)])
def test_light_above_white_keeps_its_order_and_ends_white(curve: Any, number: int) -> None:
    lights = [shown(png((curve(nits),) * 3, cicp(9, number)))[0] for nits in (100, 203, 400, 700, 1000)]
    assert lights == sorted(set(lights))
    assert lights[1] > 200
    assert lights[-1] >= 250


def test_numbers_within_a_profile_count() -> None:
    profile = bytearray(DISPLAY_P3.profile())
    count = int.from_bytes(profile[128:132])
    tag = b"cicp" + bytes(4) + bytes((9, 16, 0, 1))
    table = bytes(profile[132 : 132 + 12 * count])
    moved = b"".join(
        table[at : at + 4] + struct.pack(">I", int.from_bytes(table[at + 4 : at + 8]) + 12) + table[at + 8 : at + 12]
        for at in range(0, len(table), 12)
    )
    content = bytes(profile[132 + 12 * count :])
    entry = b"cicp" + struct.pack(">II", 132 + 12 * (count + 1) + len(content), len(tag))
    made = bytes(profile[:128]) + struct.pack(">I", count + 1) + moved + entry + content + tag
    grey = (pq(203 * 0.2),) * 3
    for name in ("PNG", "JPEG"):
        data = encoded(Image.new("RGB", SIZE, grey), name, icc_profile=made)
        assert alike(shown(data), encoded_srgb(np.full(3, 0.2)), 8)
