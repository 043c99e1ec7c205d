"""JPEGs that were cut and closed, lossless ones, and those of other kinds than cameras write."""

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imaging.domain import Limits, Rendering
from imaging.errors import MalformedError, UnsupportedFormatError
from imaging.pipeline import render
from pictures import decoded, encoded

LIMITS = Limits(64 * 1024 * 1024, 64_000_000, 30_000, 1024**3, ("JPEG",))


def rendered(data: bytes) -> Rendering:
    return render(data, LIMITS, (64, 512))


def landscape(width: int = 900, height: int = 700, mode: str = "RGB") -> Image.Image:
    """Return a picture with something everywhere."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    samples = np.random.default_rng(5).integers(0, 255, width // 20 * (height // 20) * bands, np.uint8)
    small = Image.frombytes(mode, (width // 20, height // 20), samples.tobytes())
    return small.resize((width, height), Image.Resampling.BICUBIC)


KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "colour": ("RGB", {}),
    "without subsampling": ("RGB", {"subsampling": 0}),
    "grey": ("L", {}),
    "inks": ("CMYK", {}),
    "red, green and blue": ("RGB", {"keep_rgb": True}),
    "with restarts": ("RGB", {"restart_marker_rows": 1}),
}


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("kind", KINDS)
def test_jpeg_that_was_cut_and_closed_is_malformed(kind: str, part: float) -> None:
    mode, options = KINDS[kind]
    data = encoded(landscape(mode=mode), "JPEG", quality=90, **options)
    assert rendered(data).width == 900
    with pytest.raises(MalformedError, match="ends before the picture"):
        rendered(data[: int(len(data) * part)] + b"\xff\xd9")


def test_large_jpeg_that_is_decoded_small_is_found_cut_too() -> None:
    data = encoded(landscape(3000, 2400), "JPEG", quality=90)
    with pytest.raises(MalformedError, match="ends before the picture"):
        rendered(data[: len(data) // 2] + b"\xff\xd9")


def scans_of(data: bytes) -> list[int]:
    """Return where the scans of a JPEG begin."""
    return [at for at in range(len(data)) if data.startswith(b"\xff\xda", at)]


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_progressive_jpeg_that_ends_behind_its_first_scan_is_whole_if_less_fine(mode: str) -> None:
    """The standard lets encoders leave out scans; browsers show such a picture, too."""
    picture = landscape(mode=mode)
    data = encoded(picture, "JPEG", quality=90, progressive=True)
    made = rendered(data[: scans_of(data)[1]] + b"\xff\xd9")
    blurred, fine = (np.asarray(decoded(each.thumbs[-1].data).convert("L"), float) for each in (made, rendered(data)))
    assert np.abs(blurred - fine).mean() < 16
    assert blurred.std() > fine.std() / 2


def test_jpeg_some_of_whose_colours_never_come_is_malformed() -> None:
    """A progressive one that has scans of its luma only: chroma is grey, and the corner need not be."""
    data = encoded(landscape(mode="L"), "JPEG", quality=90, progressive=True)
    at = data.index(b"\xff\xc2")
    sides = data[at + 5 : at + 9]
    in_colour = b"\xff\xc2" + struct.pack(">HB", 17, 8) + sides + b"\3" + b"\1\x11\0\2\x11\0\3\x11\0"
    with pytest.raises(MalformedError, match="all of its colours"):
        rendered(data[:at] + in_colour + data[at + 13 :])


def test_progressive_jpeg_without_its_first_scan_is_malformed() -> None:
    """What refines coefficients that never came makes a grey picture with coloured specks of it."""
    data = encoded(landscape(), "JPEG", quality=90, progressive=True)
    first, second = scans_of(data)[:2]
    tables = data.rindex(b"\xff\xc4", 0, second)
    with pytest.raises(MalformedError, match="all of its colours"):
        rendered(data[:first] + data[tables:])


@pytest.mark.parametrize("behind", [2, 3, 4, 5, 8])
def test_jpeg_that_is_cut_within_the_header_of_a_scan_is_malformed(behind: int) -> None:
    data = encoded(landscape(), "JPEG", quality=90, progressive=True)
    for at in scans_of(data):
        with pytest.raises(MalformedError):
            rendered(data[: at + behind])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("progressive", [False, True])
def test_whole_jpeg_with_a_grey_corner_is_shown(kind: str, progressive: bool) -> None:
    mode, options = KINDS[kind]
    picture = landscape(mode=mode)
    picture.paste((128,) * len(picture.getbands()) if mode != "L" else 128, (400, 300, 900, 700))
    data = encoded(picture, "JPEG", quality=90, progressive=progressive, **options)
    assert rendered(data).width == 900
    assert rendered(data + b"something behind the end").width == 900


def _bits(values: Iterator[int]) -> bytes:
    """Return differences of samples, each as its category in four bits and its offset; the codes of Huffman's table."""
    text = ""
    for value in values:
        size = abs(value).bit_length()
        text += f"{size:04b}"
        if size:
            text += f"{value if value > 0 else value + (1 << size) - 1:0{size}b}"
    text += "1" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8).replace(b"\xff", b"\xff\0")


def lossless(colour: tuple[int, int, int], side: int = 64, jfif: bytes = b"") -> bytes:
    """Return a lossless JPEG (ITU-T T.81, annex H) of one colour, in red, green and blue."""
    differences = (sample - 128 if pixel == 0 else 0 for pixel in range(side * side) for sample in colour)
    table = b"\0" + bytes((0, 0, 0, 12)) + bytes(12) + bytes(range(12))
    frame = struct.pack(">BHHB", 8, side, side, 3) + b"".join(bytes((number, 0x11, 0)) for number in (1, 2, 3))
    scan = b"\3" + b"".join(bytes((number, 0)) for number in (1, 2, 3)) + b"\1\0\0"
    segments = ((b"\xff\xc3", frame), (b"\xff\xc4", table), (b"\xff\xda", scan))
    head = b"".join(marker + struct.pack(">H", len(content) + 2) + content for marker, content in segments)
    return b"\xff\xd8" + jfif + head + _bits(differences) + b"\xff\xd9"


@pytest.mark.parametrize("jfif", [b"", b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"], ids=["bare", "with JFIF"])
def test_lossless_jpeg_keeps_its_colours(jfif: bytes) -> None:
    made = rendered(lossless((200, 100, 50), jfif=jfif))
    assert decoded(made.thumbs[0].data).getpixel((32, 32)) == pytest.approx((200, 100, 50), abs=4)


def test_large_lossless_jpeg_is_decoded_whole_before_it_is_scaled() -> None:
    made = rendered(lossless((200, 100, 50), 1200))
    assert (made.width, made.thumbs[-1].width) == (1200, 512)
    assert decoded(made.thumbs[0].data).getpixel((32, 32)) == pytest.approx((200, 100, 50), abs=4)


def test_lossless_jpeg_gets_a_display_picture_since_browsers_do_not_show_it() -> None:
    made = rendered(lossless((200, 100, 50)))
    assert made.display is not None
    assert decoded(made.display.data).getpixel((32, 32)) == pytest.approx((200, 100, 50), abs=4)


@pytest.mark.parametrize("bits", [12, 16])
def test_jpeg_of_more_bits_is_named(bits: int) -> None:
    data = encoded(landscape(), "JPEG")
    at = data.index(b"\xff\xc0")
    with pytest.raises(UnsupportedFormatError, match=f"{bits} bits"):
        rendered(data[: at + 4] + bytes((bits,)) + data[at + 5 :])


@pytest.mark.parametrize("marker", [0xC5, 0xCB])
def test_jpeg_of_a_rare_process_is_named(marker: int) -> None:
    data = encoded(landscape(), "JPEG")
    at = data.index(b"\xff\xc0")
    with pytest.raises(UnsupportedFormatError, match="JPEG is"):
        rendered(data[: at + 1] + bytes((marker,)) + data[at + 2 :])
