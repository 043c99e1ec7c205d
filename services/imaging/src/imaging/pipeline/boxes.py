"""The boxes of a HEIC or AVIF (ISO/IEC 14496-12 and 23008-12): what its decoders do not tell or check themselves."""

import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from imaging.errors import MalformedError, UnsupportedFormatError

# Boxes at the top of a file. Phones append other things to a picture, which may look like a box of any size.
_AT_TOP = {b"ftyp", b"meta", b"mdat", b"moov", b"moof", b"mfra", b"free", b"skip", b"uuid", b"idat", b"pdin", b"wide"}
_SHORT, _LONG = 8, 16  # bytes of a box's header, without and with a size of 64 bits
_VERSIONED = 4  # bytes of version and flags at the beginning of some boxes
_ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")
_MOST_ASSOCIATIONS = 255  # of an item
_WIDE_ASSOCIATIONS = 1  # a flag: numbers of properties have fifteen bits, not seven


@dataclass(frozen=True)
class Numbers:
    """The numbers that stand for colours in ITU-T H.273: of the primaries, and of the transfer characteristics."""

    primaries: int
    transfer: int


@dataclass(frozen=True)
class Facts:
    """What the boxes say of the primary picture: None if they do not. `crop` is (left, top, right, bottom)."""

    size: tuple[int, int] | None = None
    crop: tuple[int, int, int, int] | None = None
    numbers: Numbers | None = None


def facts(data: bytes) -> Facts:
    """Return what the boxes in `data` say; nothing if it is no HEIC or AVIF, or its boxes make no sense.

    Raise `MalformedError` if the file was cut: libheif would show green where tiles are missing, and pillow-heif has no
    switch for its strict decoding. Raise `UnsupportedFormatError` if the alpha has no size of its own, which libavif
    insists on.
    """
    if data[4:8] != b"ftyp":
        return Facts()
    found = Facts()
    for kind, start, end in _boxes(data, 0, len(data)):
        if kind not in _AT_TOP:
            break
        if end > len(data):
            raise MalformedError("The picture is cut short: its data ends before the picture does.")
        if kind == b"meta":
            try:
                found = _of_items(data, start + _VERSIONED, end, is_avif=_is_avif(data))
            except (IndexError, KeyError, ValueError, ZeroDivisionError, struct.error):
                continue  # whether it can be shown all the same is for its decoder to say
    return found


def with_one_association(data: bytes) -> bytes:
    """Return the AVIF in `data` with one box of associations instead of several alike; other data as it is.

    Some encoders write one for each item, on which libavif gives up. Nothing moves: the room that is left is filled
    with associations to property 0, which stands for none.
    """
    if data[4:8] != b"ftyp" or not _is_avif(data):
        return data
    found = next(((start, end) for kind, start, end in _boxes(data, 0, len(data)) if kind == b"meta"), (0, 0))
    inside = {kind: (start, end) for kind, start, end in _boxes(data, found[0] + _VERSIONED, found[1])}
    boxes = [(start, end) for kind, start, end in _boxes(data, *inside.get(b"iprp", (0, 0))) if kind == b"ipma"]
    is_narrow = all(data[start : start + _VERSIONED] == bytes(_VERSIONED) for start, _ in boxes)
    is_next = all(one[1] + _SHORT == other[0] for one, other in itertools.pairwise(boxes))
    if len(boxes) < 2 or not (is_narrow and is_next):  # noqa: PLR2004 - several
        return data
    return _merged(data, boxes)


def _merged(data: bytes, boxes: list[tuple[int, int]]) -> bytes:
    counts = [int.from_bytes(data[start + 4 : start + 8]) for start, _ in boxes]
    entries = b"".join(data[start + 8 : end] for start, end in boxes)
    spare = sum(_SHORT + 8 for _ in boxes[1:])
    try:
        last = list(_associations(data, boxes[-1][0]))[-1][1]
    except (IndexError, struct.error):
        return data
    if len(last) + spare > _MOST_ASSOCIATIONS:
        return data
    at = len(entries) - len(last) - 1  # of the number of properties of the last item
    filled = entries[:at] + bytes((len(last) + spare,)) + entries[at + 1 :] + bytes(spare)
    start, end = boxes[0][0] - _SHORT, boxes[-1][1]
    head = struct.pack(">I4s4xI", end - start, b"ipma", sum(counts))
    return b"".join((data[:start], head, filled, data[end:]))


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield each box between `at` and `end`: its type, and where its content starts and ends."""
    while at + _SHORT <= end:
        size, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        header = _SHORT
        if size == 1:
            size, header = int.from_bytes(data[at + 8 : at + 16]), _LONG
        if size == 0:  # the rest of the file
            size = end - at
        if size < header:
            return
        yield kind, at + header, at + size
        at += size


def _is_avif(data: bytes) -> bool:
    """Return whether one of the brands in the first box, the main one or another, is AVIF's."""
    brands = data[_SHORT : int.from_bytes(data[:4])]
    return bool({b"avif", b"avis"} & {brands[at : at + 4] for at in range(0, len(brands), 4)})


def _of_items(data: bytes, at: int, end: int, *, is_avif: bool) -> Facts:
    inside = {kind: (start, stop) for kind, start, stop in _boxes(data, at, end)}
    primary = _primary(data, *inside[b"pitm"])
    kinds = list(_boxes(data, *inside[b"iprp"]))
    properties = [
        (kind, data[start:stop])
        for name, *places in kinds
        if name == b"ipco"
        for kind, start, stop in _boxes(data, *places)
    ]
    has = {
        item: {properties[number - 1][0]: properties[number - 1][1] for number in numbers if number}
        for name, start, _ in kinds
        if name == b"ipma"
        for item, numbers in _associations(data, start)
    }
    if is_avif and any(_is_alpha_without_size(content) for content in has.values()):
        raise UnsupportedFormatError("The AVIF has an alpha channel without a size of its own, which is not supported.")
    return _of_primary(has[primary])


def _is_alpha_without_size(content: dict[bytes, bytes]) -> bool:
    return content.get(b"auxC", b"")[_VERSIONED:].startswith(_ALPHA) and b"ispe" not in content


def _primary(data: bytes, start: int, end: int) -> int:
    return int.from_bytes(data[start + _VERSIONED : end])


def _associations(data: bytes, at: int) -> Iterator[tuple[int, list[int]]]:
    """Yield each item and the numbers of its properties, counted from 1."""
    version, flags = data[at], int.from_bytes(data[at + 1 : at + 4])
    (count,) = struct.unpack_from(">I", data, at + _VERSIONED)
    at += _VERSIONED + 4
    item_format, number_format = ">I" if version else ">H", ">H" if flags & _WIDE_ASSOCIATIONS else ">B"
    mask = 0x7FFF if flags & _WIDE_ASSOCIATIONS else 0x7F  # the highest bit says that it is essential
    for _ in range(count):
        (item,) = struct.unpack_from(item_format, data, at)
        at += struct.calcsize(item_format)
        numbers = []
        for number in range(data[at]):
            (value,) = struct.unpack_from(number_format, data, at + 1 + number * struct.calcsize(number_format))
            numbers.append(value & mask)
        at += 1 + len(numbers) * struct.calcsize(number_format)
        yield item, numbers


def _of_primary(content: dict[bytes, bytes]) -> Facts:
    size = struct.unpack_from(">II", content[b"ispe"], _VERSIONED) if b"ispe" in content else None
    colour = content.get(b"colr", b"")
    numbers = Numbers(*struct.unpack_from(">HH", colour, 4)) if colour.startswith(b"nclx") else None
    crop = _crop(content[b"clap"], size) if size and b"clap" in content else None
    return Facts(size, crop, numbers)


def _crop(clap: bytes, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """Return the clean aperture, which is told by its size and by how far its centre is from the picture's."""
    across, across_by, down, down_by, right, right_by, low, low_by = struct.unpack(">IIIIiIiI", clap[:32])
    width, height = across // across_by, down // down_by
    left = round((size[0] - width) / 2 + right / right_by)
    top = round((size[1] - height) / 2 + low / low_by)
    fits = width > 0 and height > 0 and left >= 0 and top >= 0 and left + width <= size[0] and top + height <= size[1]
    return (left, top, left + width, top + height) if fits else None
