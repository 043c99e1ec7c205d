"""HEIC and AVIF: what was cut is refused, and what the boxes say of a picture counts."""

import struct

import numpy as np
import pytest
from PIL import Image

from bad_pictures.boxes import box, find, full, grid
from imaging.domain import Limits, Rendering
from imaging.errors import MalformedError, TooLargeError, UnsupportedFormatError
from imaging.pipeline import render
from pictures import decoded, encoded

LIMITS = Limits(64 * 1024 * 1024, 64_000_000, 30_000, 1024**3, ("AVIF", "HEIF"))


def rendered(data: bytes) -> Rendering:
    return render(data, LIMITS, (64, 512))


def noise(width: int = 200, height: int = 120) -> Image.Image:
    return Image.fromarray(np.random.default_rng(3).integers(0, 255, (height, width, 3), np.uint8))


@pytest.mark.parametrize("part", [0.3, 0.5, 0.7, 0.9, 0.999])
@pytest.mark.parametrize("name", ["AVIF", "HEIF"])
def test_file_that_was_cut_is_malformed(name: str, part: float) -> None:
    data = encoded(noise(), name)
    with pytest.raises(MalformedError):
        rendered(data[: int(len(data) * part)])


@pytest.mark.parametrize("part", [0.3, 0.5, 0.7, 0.9])
def test_tiles_of_a_phone_that_were_cut_are_malformed(part: float) -> None:
    data = grid("HEIF", 4, 4, 256, 256)
    assert rendered(data).width == 256
    start, end = find(data, b"mdat")
    with pytest.raises(MalformedError, match="ends before the picture"):
        rendered(data[: start + int((end - start) * part)])


@pytest.mark.parametrize(
    ("name", "behind"),
    [
        ("AVIF", bytes(100)),
        ("AVIF", b"SEFT" + b"\xff" * 60),
        ("HEIF", bytes(100)),
        ("HEIF", b"SEFT" + b"\xff" * 60),
        ("HEIF", b"\xff\xff\xff\xffsomething of a phone"),
    ],
)
def test_what_a_phone_appends_is_no_cut(name: str, behind: bytes) -> None:
    assert rendered(encoded(noise(), name) + behind).width == 200


def with_property(data: bytes, added: bytes, item: int = 1) -> bytes:
    """Return a picture with one more property, `added`, for `item`; what lies behind it moves."""
    ipco, ipma = find(data, b"ipco"), find_in(data, b"ipma")
    count = sum(1 for _ in children(data, *ipco))
    links = bytearray(data[ipma[0] : ipma[1]])
    at = 16  # the first entry: an item of two bytes, how many properties it has, and their numbers
    while struct.unpack_from(">H", links, at)[0] != item:
        at += 3 + links[at + 2]
    links[at + 2] += 1
    links.insert(at + 2 + links[at + 2], 0x80 | count + 1)  # one that changes the picture is essential, and comes last
    links[:4] = struct.pack(">I", len(links))
    iprp, meta = find(data, b"iprp"), find(data, b"meta")
    properties = struct.pack(">I", 8 + len(data[ipco[0] + 8 : ipco[1]]) + len(added)) + b"ipco"
    inside = properties + data[ipco[0] + 8 : ipco[1]] + added + bytes(links)
    grown = len(added) + 1
    head = bytearray(data[: iprp[0]])
    head[meta[0] : meta[0] + 4] = struct.pack(">I", meta[1] - meta[0] + grown)
    made = bytes(head) + box(b"iprp", inside) + data[iprp[1] :]
    return moved(made, grown)


def children(data: bytes, start: int, end: int) -> list[tuple[bytes, int, int]]:
    found, at = [], start + 8
    while at < end:
        size = int.from_bytes(data[at : at + 4])
        found.append((data[at + 4 : at + 8], at, at + size))
        at += size
    return found


def find_in(data: bytes, kind: bytes) -> tuple[int, int]:
    return next((start, end) for name, start, end in children(data, *find(data, b"iprp")) if name == kind)


def moved(data: bytes, by: int) -> bytes:
    """Return the picture with the places of its items, of four bytes each, moved by `by`."""
    start, _ = find(data, b"iloc")
    made = bytearray(data)
    assert made[start + 12] == 0x44
    at = start + 16
    base = made[start + 13] >> 4
    for _ in range(struct.unpack_from(">H", made, start + 14)[0]):
        at += 4 + (2 if made[start + 8] else 0) + base
        (extents,) = struct.unpack_from(">H", made, at)
        at += 2
        for _ in range(extents):
            made[at : at + 4] = struct.pack(">I", struct.unpack_from(">I", made, at)[0] + by)
            at += 8
    return bytes(made)


def test_clean_aperture_crops() -> None:
    picture = Image.new("RGB", (200, 120), (20, 60, 200))
    picture.paste((230, 120, 20), (50, 20, 150, 100))
    aperture = box(b"clap", struct.pack(">IIIIiIiI", 100, 1, 80, 1, 0, 1, 0, 1))
    data = with_property(encoded(picture, "AVIF", quality=95), aperture)
    made = rendered(data)
    assert (made.width, made.height) == (100, 80)
    assert made.display is not None, "some browsers show all of the original"
    for shown in (made.thumbs[-1], made.display):
        for corner in ((1, 1), (98, 78)):
            assert decoded(shown.data).getpixel(corner) == pytest.approx((230, 120, 20), abs=12)


@pytest.mark.parametrize("numbers", [(0, 1, 0, 1), (100, 0, 80, 0), (500, 1, 500, 1)])
def test_clean_aperture_that_makes_no_sense_does_not_crop(numbers: tuple[int, int, int, int]) -> None:
    aperture = box(b"clap", struct.pack(">IIIIiIiI", *numbers, 0, 1, 0, 1))
    assert rendered(with_property(encoded(noise(), "AVIF"), aperture)).width == 200


def test_alpha_without_a_size_of_its_own_is_named() -> None:
    picture = noise()
    picture.putalpha(100)
    data = encoded(picture, "AVIF")
    start, end = find_in(data, b"ipma")
    kinds = [kind for kind, _, _ in children(data, *find(data, b"ipco"))]
    sizes = {number for number, kind in enumerate(kinds, 1) if kind == b"ispe"}
    links = bytearray(data[start:end])
    at = 16
    at += 3 + links[at + 2]
    alpha = links[at + 3 : at + 3 + links[at + 2]]
    links[at + 3 : at + 3 + links[at + 2]] = bytes(0 if number & 0x7F in sizes else number for number in alpha)
    with pytest.raises(UnsupportedFormatError, match="alpha"):
        rendered(data[:start] + bytes(links) + data[end:])


def test_associations_in_several_boxes_are_read_as_one() -> None:
    """Some encoders write a box of associations for each item, on which libavif gives up."""
    picture = Image.new("RGB", (200, 120), (230, 120, 20))
    picture.putalpha(100)
    data = encoded(picture, "AVIF", quality=95)
    start, end = find_in(data, b"ipma")
    first = 18 + 1 + data[start + 18]
    entries = data[start + 16 : start + first], data[start + first : end]
    parted = b"".join(full(b"ipma", struct.pack(">I", 1), entry) for entry in entries)
    iprp, meta = find(data, b"iprp"), find(data, b"meta")
    grown = len(parted) - (end - start)
    made = bytearray(data[:start] + parted + data[end:])
    for at, stop in (iprp, meta):
        made[at : at + 4] = struct.pack(">I", stop - at + grown)
    thumb = decoded(rendered(moved(bytes(made), grown)).thumbs[0].data).convert("RGBA")
    assert thumb.getpixel((30, 20)) == pytest.approx((230, 120, 20, 100), abs=12)


def test_picture_beyond_the_decoders_own_limits_is_too_large() -> None:
    for name in ("AVIF", "HEIF"):
        data = bytearray(encoded(noise(), name))
        at = find(bytes(data), b"ispe")[0] + 12
        data[at : at + 8] = struct.pack(">II", 70_000, 70_000)
        with pytest.raises(TooLargeError):
            rendered(bytes(data))


def test_file_without_boxes_that_make_sense_is_left_to_its_decoder() -> None:
    for inside in (b"", full(b"pitm", b"\0\1"), box(b"iprp")):
        data = box(b"ftyp", b"avif", bytes(4)) + full(b"meta", inside)
        with pytest.raises(MalformedError):
            rendered(data)
