"""The chunks of a PNG: those that a still picture takes are kept if they make sense (PNG, third edition, 13.2)."""

import struct
import zlib
from collections.abc import Iterator

from imaging.pipeline.boxes import Numbers

_MAGIC = b"\x89PNG\r\n\x1a\n"
_AROUND = 12  # bytes around the data of a chunk: length, type and checksum
_ANCILLARY = 0x20  # this bit of the first letter of the type says so
# Ancillary chunks that say something of the pixels, with the lengths that they may have; None for any.
_KEPT = {
    b"tRNS": range(1, 257),
    b"gAMA": (4,),
    b"cHRM": (32,),
    b"sRGB": (1,),
    b"cICP": (4,),
    b"iCCP": None,
    b"eXIf": None,
}
_COLOUR_TYPE_AT = 25
_KEY_LENGTHS = {0: 2, 2: 6}  # of a tRNS chunk, by the colour type


def without_extras(data: bytes) -> bytes:
    """Return a PNG without ancillary chunks that are damaged or that pixels do not need; other data as it is.

    Texts, animations and the like of a wrong content make Pillow refuse a picture that all others show.
    """
    if not data.startswith(_MAGIC):
        return data
    view, kept_from = memoryview(data), 0
    kept = []
    for kind, at, end in _chunks(data):
        if kind[0] & _ANCILLARY and not _makes_sense(view, kind, at, end):
            kept.append(view[kept_from:at])
            kept_from = end
    return b"".join([*kept, view[kept_from:]]) if kept else data


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the type of each whole chunk, and where it starts and ends."""
    at = len(_MAGIC)
    while at + _AROUND <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + _AROUND + length
        if end > len(data):
            return
        yield kind, at, end
        at = end


def _makes_sense(view: memoryview, kind: bytes, at: int, end: int) -> bool:
    """Return whether the ancillary chunk is one that is needed, of the right length and with the right checksum."""
    lengths, length = _KEPT.get(kind, ()), end - at - _AROUND
    if lengths is not None and length not in lengths:
        return False
    if kind == b"tRNS" and length != _KEY_LENGTHS.get(
        int.from_bytes(view[_COLOUR_TYPE_AT : _COLOUR_TYPE_AT + 1]), length
    ):
        return False
    content = view[at + 8 : end - 4]
    if kind == b"iCCP" and bytes(content[:81]).partition(b"\0")[2][:1] != b"\0":  # a name, then the one compression
        return False
    return zlib.crc32(view[at + 4 : end - 4]) == int.from_bytes(view[end - 4 : end])


def numbers(data: bytes) -> Numbers | None:
    """Return the numbers of the colour space that a cICP chunk of the PNG in `data` tells, None if there is none."""
    if not data.startswith(_MAGIC):
        return None
    for kind, at, _ in _chunks(data):
        if kind == b"IDAT":
            return None
        if kind == b"cICP":
            return Numbers(data[at + 8], data[at + 9])
    return None
