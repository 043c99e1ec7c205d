"""Samples of every depth and kind: their lightness, and transparency by a colour key or a palette."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from bad_pictures import tiff_bmp
from bad_pictures.png import chunk, header, png
from imaging.domain import Limits, Rendering
from imaging.pipeline import render
from pictures import decoded, encoded

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF", "BMP", "HEIF")
LIMITS = Limits(64 * 1024 * 1024, 64_000_000, 30_000, 1024**3, FORMATS)
SIDE = 64
GREY, RGB = 0, 2


def rendered(data: bytes) -> Rendering:
    return render(data, LIMITS, (SIDE,))


def halves(made: Rendering) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the RGBA pixels in the middle of the left and of the right half of the thumb."""
    thumb = decoded(made.thumbs[0].data).convert("RGBA")
    left, right = thumb.getpixel((SIDE // 4, SIDE // 2)), thumb.getpixel((3 * SIDE // 4, SIDE // 2))
    assert isinstance(left, tuple)
    assert isinstance(right, tuple)
    return left, right


def halved(depth: int, colour: int, left: tuple[int, ...], right: tuple[int, ...], key: tuple[int, ...]) -> bytes:
    """Return a PNG of two colours, with samples of `depth` bits; `key` is the colour that its tRNS chunk names."""
    bits = "".join(f"{sample:0{depth}b}" for half in (left, right) for sample in half * (SIDE // 2))
    row = b"\0" + int(bits, 2).to_bytes(len(bits) // 8)
    keyed = chunk(b"tRNS", b"".join(struct.pack(">H", sample) for sample in key))
    return png(header(SIDE, SIDE, depth, colour), keyed, pixels=zlib.compress(row * SIDE))


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("keyed", ["black", "white"])
def test_grey_that_stands_for_nothing_is_transparent_at_every_depth(depth: int, keyed: str) -> None:
    white = 2**depth - 1
    made = rendered(halved(depth, GREY, (0,), (white,), (0 if keyed == "black" else white,)))
    left, right = halves(made)
    assert made.thumbs[0].content_type == "image/webp"
    assert (left[3], right[3]) == ((0, 255) if keyed == "black" else (255, 0))
    assert made.colors == (("#ffffff",) if keyed == "black" else ("#000000",))


@pytest.mark.parametrize("depth", [2, 4])
def test_grey_in_between_stands_for_nothing_too(depth: int) -> None:
    left, right = halves(rendered(halved(depth, GREY, (1,), (2,), (2,))))
    assert (left[3], right[3]) == (255, 0)


@pytest.mark.parametrize("depth", [8, 16])
def test_colour_that_stands_for_nothing_is_transparent(depth: int) -> None:
    most = 2**depth - 1
    made = rendered(halved(depth, RGB, (most, 0, 0), (0, 0, most), (0, 0, most)))
    left, right = halves(made)
    assert (left[3], right[3]) == (255, 0)
    assert made.colors == ("#ff0000",)


def test_sixteen_bits_are_compared_with_sixteen_bits() -> None:
    """40,000 is the key, 40,001 is not. 40,000 is 0x9C40: its lower byte alone is another colour in eight bits."""
    left, right = halves(rendered(halved(16, GREY, (40_000,), (40_001,), (40_000,))))
    assert (left[3], right[3]) == (0, 255)
    made = rendered(halved(16, RGB, (0x4000, 0x4000, 0x4000), (0x9C40, 0x9C40, 0x9C40), (0x9C40,) * 3))
    assert [pixel[3] for pixel in halves(made)] == [255, 0]


def test_key_whose_checksum_is_wrong_is_no_key_and_no_broken_picture() -> None:
    data = halved(8, GREY, (0,), (255,), (255,))
    end = data.index(b"tRNS") + 10
    made = rendered(data[: end - 1] + bytes([data[end - 1] ^ 1]) + data[end:])
    assert made.thumbs[0].content_type == "image/jpeg"
    assert rendered(data).thumbs[0].content_type == "image/webp"


def test_key_that_no_pixel_has_leaves_the_picture_opaque() -> None:
    made = rendered(halved(16, GREY, (0,), (65_535,), (1234,)))
    assert made.thumbs[0].content_type == "image/jpeg"


@pytest.mark.parametrize("colours", [2, 4, 16, 256])
def test_palette_says_how_transparent_each_of_its_colours_is(colours: int) -> None:
    picture = Image.new("P", (SIDE, SIDE), 0)
    picture.paste(1, (SIDE // 2, 0, SIDE, SIDE))
    picture.putpalette([200, 30, 30, 30, 30, 200] + [0, 0, 0] * (colours - 2))
    left, right = halves(rendered(encoded(picture, "PNG", transparency=bytes([0, 128]))))
    assert left[3] == 0
    assert abs(right[3] - 128) <= 2
    assert right[2] > 150


def test_palette_of_a_gif_has_one_colour_for_nothing() -> None:
    picture = Image.new("P", (SIDE, SIDE), 0)
    picture.paste(1, (SIDE // 2, 0, SIDE, SIDE))
    picture.putpalette([200, 30, 30, 30, 30, 200])
    left, right = halves(rendered(encoded(picture, "GIF", transparency=0)))
    assert (left[3], right[3]) == (0, 255)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_grey_with_alpha_keeps_both(file_format: str) -> None:
    left, _ = halves(rendered(encoded(Image.new("LA", (SIDE, SIDE), (180, 100)), file_format)))
    assert abs(left[0] - 180) <= 4
    assert abs(left[3] - 100) <= 2


def test_sixteen_bits_with_alpha_keep_both() -> None:
    samples = struct.pack(">HH", 180 * 257, 100 * 257)
    rows = zlib.compress((b"\0" + samples * SIDE) * SIDE)
    left, _ = halves(rendered(png(header(SIDE, SIDE, 16, 4), pixels=rows)))
    assert abs(left[0] - 180) <= 4
    assert abs(left[3] - 100) <= 2


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_sixteen_bits_of_grey_are_as_light_as_eight(file_format: str) -> None:
    values = np.full((SIDE, SIDE), 100 * 257, np.uint16)
    assert rendered(encoded(Image.fromarray(values), file_format)).colors == ("#646464",)


def tiff(bits: int, white_is_zero: bool, byte: int) -> bytes:
    """Return a grey TIFF of 8 x 8 samples of `bits` bits, every byte of which is `byte`."""
    size = 8 * 8 * bits // 8
    made = tiff_bmp.tiff(
        {
            tiff_bmp.BITS: (tiff_bmp.SHORT, 1, bits),
            tiff_bmp.PHOTOMETRIC: (tiff_bmp.SHORT, 1, 0 if white_is_zero else 1),
            tiff_bmp.COUNTS: (tiff_bmp.LONG, 1, size),
        }
    )
    return made[:-64] + bytes([byte]) * size


@pytest.mark.parametrize("bits", [1, 4, 8, 16])
def test_tiff_that_counts_from_white_to_black_is_no_negative(bits: int) -> None:
    assert render(tiff(bits, white_is_zero=True, byte=0), LIMITS, (8,)).colors == ("#ffffff",)
    assert render(tiff(bits, white_is_zero=False, byte=0), LIMITS, (8,)).colors == ("#000000",)


def test_twelve_bits_are_as_light_as_they_say() -> None:
    assert render(tiff(12, white_is_zero=False, byte=0x88), LIMITS, (8,)).colors == ("#888888",)


@pytest.mark.parametrize(("values", "colour"), [(0.5, "#7f7f7f"), (1.0, "#ffffff"), (0.0, "#000000")])
def test_floating_point_runs_from_black_at_0_to_white_at_1(values: float, colour: str) -> None:
    picture = Image.fromarray(np.full((SIDE, SIDE), values, np.float32))
    assert rendered(encoded(picture, "TIFF")).colors == (colour,)
