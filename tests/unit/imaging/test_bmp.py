"""BMPs that programs of the last thirty years have written: pixels by masks, runs of colours, long palettes."""

import struct

import pytest

from colour_maths import DISPLAY_P3
from imaging.domain import Limits, Rendering
from imaging.errors import MalformedError, UnsupportedFormatError
from imaging.pipeline import render
from pictures import decoded

LIMITS = Limits(64 * 1024 * 1024, 64_000_000, 30_000, 1024**3, ("BMP",))
SIDE = 32
ORANGE = (230, 120, 20)


def rendered(data: bytes) -> Rendering:
    return render(data, LIMITS, (SIDE,))


def pixel(data: bytes, x: int = SIDE // 2, y: int = SIDE // 2) -> tuple[int, ...]:
    found = decoded(rendered(data).thumbs[0].data).convert("RGBA").getpixel((x, y))
    assert isinstance(found, tuple)
    return tuple(int(sample) for sample in found)


def bmp(bits: int, compression: int, pixels: bytes, behind: bytes = b"", header: int = 40, height: int = SIDE) -> bytes:
    """Return a BMP of 32 x 32 pixels; `behind` is what lies between its header of 40 bytes and its pixels."""
    offset = 14 + 40 + len(behind)
    info = struct.pack("<IiiHHIIiiII", header, SIDE, height, 1, bits, compression, len(pixels), 0, 0, 0, 0)
    return struct.pack("<2sIHHI", b"BM", offset + len(pixels), 0, 0, offset) + info + behind + pixels


def masked(bits: int, masks: tuple[int, ...], colour: tuple[int, ...]) -> bytes:
    value = 0
    for mask, sample in zip(masks, colour, strict=True):
        lowest = (mask & -mask).bit_length() - 1 if mask else 0
        value |= round(sample / 255 * (mask >> lowest)) << lowest
    return value.to_bytes(bits // 8, "little") * SIDE * SIDE


MASKS = {
    "4-4-4": (16, (0x0F00, 0x00F0, 0x000F)),
    "2-3-1": (16, (0x0030, 0x000E, 0x0001)),
    "8-8-0": (16, (0xFF00, 0x00FF, 0)),
    "10-10-10": (32, (0x3FF00000, 0x000FFC00, 0x000003FF)),
    "11-11-10": (32, (0xFFE00000, 0x001FFC00, 0x000003FF)),
    "1 to 32": (32, (0x0000FF00, 0x00FF0000, 0xFF000000)),
    "5-6-5": (16, (0xF800, 0x07E0, 0x001F)),
    "the usual": (32, (0x00FF0000, 0x0000FF00, 0x000000FF)),
}


@pytest.mark.parametrize("kind", MASKS)
def test_bits_of_each_colour_are_where_the_masks_say(kind: str) -> None:
    bits, masks = MASKS[kind]
    data = bmp(bits, 3, masked(bits, masks, ORANGE), struct.pack("<III", *masks))
    for shown, meant, mask in zip(pixel(data), ORANGE, masks, strict=False):
        step = 255 / mask.bit_count() if mask and mask.bit_count() < 4 else 16
        assert abs(shown - (meant if mask else 0)) <= step


@pytest.mark.parametrize("bits", [16, 32])
def test_mask_of_alpha_makes_it_transparent(bits: int) -> None:
    masks = (0x0F00, 0x00F0, 0x000F, 0xF000) if bits == 16 else (0xFF, 0xFF00, 0xFF0000, 0xFF000000)
    data = bmp(bits, 3, masked(bits, masks, (*ORANGE, 136)), struct.pack("<IIII", *masks), header=56)
    assert abs(pixel(data)[3] - 136) <= 3


def test_alpha_that_is_nothing_everywhere_is_no_alpha() -> None:
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    data = bmp(32, 3, masked(32, masks, (*ORANGE, 0)), struct.pack("<IIII", *masks), header=56)
    assert rendered(data).thumbs[0].content_type == "image/jpeg"


@pytest.mark.parametrize("height", [SIDE, -SIDE], ids=["upwards", "downwards"])
def test_rows_run_in_the_order_that_the_height_says(height: int) -> None:
    masks = (0x0F00, 0x00F0, 0x000F)
    first = masked(16, masks, (255, 255, 255))[: SIDE * 2 * 8]
    data = bmp(16, 3, first + bytes(SIDE * 2 * (SIDE - 8)), struct.pack("<III", *masks), height=height)
    assert pixel(data, y=2 if height < 0 else SIDE - 3)[0] > 200
    assert pixel(data, y=SIDE - 3 if height < 0 else 2)[0] < 50


PALETTE = bytes((0, 0, 0, 0)) + bytes((*ORANGE[::-1], 0)) + bytes((255, 255, 255, 0)) + bytes(4 * 13)


@pytest.mark.parametrize("odd", [0, 1], ids=["pixels at an even place", "pixels at an odd place"])
@pytest.mark.parametrize("bits", [4, 8])
def test_runs_and_literal_pixels_are_where_they_belong(bits: int, odd: int) -> None:
    """Literals are padded to an even number of bytes from where the pixels begin, wherever in the file that is."""
    literal = bytes((0, 5)) + (bytes((0x12, 0x12, 0x10, 0)) if bits == 4 else bytes((1, 2, 1, 2, 1, 0)))
    run = bytes((SIDE - 5, 0x11 if bits == 4 else 1))
    row = literal + run + b"\0\0"
    palette = PALETTE if bits == 4 else PALETTE + bytes(4 * 240)
    data = bmp(bits, 2 if bits == 4 else 1, row * SIDE + b"\0\1", palette + bytes(odd))
    for x, y in ((SIDE // 2, 1), (SIDE - 2, SIDE // 2), (SIDE // 2, SIDE - 2)):
        assert pixel(data, x, y)[:3] == pytest.approx(ORANGE, abs=8)


def test_runs_beyond_a_row_do_not_move_the_next() -> None:
    row = bytes((255, 1)) + b"\0\0"
    data = bmp(8, 1, row * (SIDE // 2) + bytes((SIDE, 2)) + b"\0\1", PALETTE + bytes(4 * 240))
    assert pixel(data, 1, SIDE - 2)[:3] == pytest.approx(ORANGE, abs=8)
    assert pixel(data, 1, 1)[:3] == (0, 0, 0)


def test_runs_that_end_too_early_are_malformed() -> None:
    with pytest.raises(MalformedError):
        rendered(bmp(8, 1, bytes((SIDE, 1, 0, 0)) * 3, PALETTE + bytes(4 * 240)))


def test_palette_of_more_colours_than_pixels_can_name_is_read() -> None:
    data = bytearray(bmp(8, 0, bytes((1,)) * SIDE * SIDE, PALETTE + bytes(4 * 284)))
    data[46:50] = struct.pack("<I", 300)
    assert pixel(bytes(data))[:3] == pytest.approx(ORANGE, abs=8)


@pytest.mark.parametrize(
    ("bits", "compression", "told"), [(0, 4, "JPEG"), (0, 5, "PNG"), (24, 99, "99"), (2, 0, "2 bits")]
)
def test_what_is_not_read_is_named(bits: int, compression: int, told: str) -> None:
    with pytest.raises(UnsupportedFormatError, match=told):
        rendered(bmp(bits, compression, bytes(SIDE * SIDE)))


def with_profile(profile: bytes, space: bytes = b"DEBM", offset: int | None = None) -> bytes:
    """Return an orange BMP with the last header of Windows, and `profile` behind its pixels."""
    pixels = bytes(ORANGE[::-1]) * SIDE * SIDE
    at = 124 + len(pixels) if offset is None else offset
    rest = struct.pack("<16x4s48xIIII", space, 4, at, len(profile), 0)
    return bmp(24, 0, pixels, rest, header=124) + profile


def alike(one: tuple[int, ...], other: tuple[int, ...], tolerance: int = 3) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= tolerance


def test_colours_are_those_of_the_profile_that_the_file_holds() -> None:
    expected = DISPLAY_P3.in_srgb(ORANGE)
    assert alike(pixel(with_profile(DISPLAY_P3.profile()))[:3], expected)
    assert not alike(ORANGE, expected)


@pytest.mark.parametrize(
    "data",
    [
        with_profile(b"c:\\windows\\p3.icm\0", b"KNIL"),  # the name of a file elsewhere
        with_profile(DISPLAY_P3.profile(), b"BGRs"),
        with_profile(DISPLAY_P3.profile()[:200]),
        with_profile(DISPLAY_P3.profile(), offset=2**32 - 1),
        with_profile(b""),
    ],
    ids=["elsewhere", "sRGB", "cut", "beyond the file", "empty"],
)
def test_picture_without_a_profile_that_can_be_read_is_shown_as_it_is(data: bytes) -> None:
    assert alike(pixel(data)[:3], ORANGE)
