"""Ancillary chunks of a PNG, which decoding can do without: damaged ones are removed (PNG, third edition, 13.2)."""

import struct
import zlib

_MAGIC = b"\x89PNG\r\n\x1a\n"
_AROUND = 12  # bytes around the data of a chunk: length, type and checksum
_ANCILLARY = 0x20  # this bit of the first letter of the type says so


def without_damage(data: bytes) -> bytes:
    """Return a PNG without the ancillary chunks before its pixels that have a wrong checksum; other data as it is."""
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
