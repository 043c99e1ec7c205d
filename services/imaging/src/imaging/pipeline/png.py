"""The parts of a PNG that its picture can do without: a damaged one is left out (PNG, third edition, 13.2)."""

import struct
import zlib

_MAGIC = b"\x89PNG\r\n\x1a\n"
_AROUND = 12  # length and type before the data of a chunk, checksum behind
_ANCILLARY = 0x20  # the bit of the first letter that tells


def without_damage(data: bytes) -> bytes:
    """Give the PNG in DATA without ancillary chunks of a wrong checksum before its pixels; anything else as it is."""
    if not data.startswith(_MAGIC):
        return data
    view, at, kept_from = memoryview(data), len(_MAGIC), 0
    kept = []
    while at + _AROUND <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + _AROUND + length
        if kind == b"IDAT" or end > len(data):
            break
        if kind[0] & _ANCILLARY and zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end]):
            kept.append(view[kept_from:at])
            kept_from = end
        at = end
    return b"".join([*kept, view[kept_from:]]) if kept else data
