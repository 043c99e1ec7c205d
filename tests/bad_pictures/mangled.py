"""Good pictures of every format, cut at every border between their parts, or with flipped bits."""

import re
import struct
from collections.abc import Iterator

import numpy as np

from bad_pictures import boxes
from bad_pictures.case import ANY, RENDERED, Case, encoded, noise

CUT = frozenset({"malformed"})
# Too short to recognise the format.
STUB = frozenset({"malformed", "unsupported-format"})
_FLIPS = 14


def whole() -> dict[str, bytes]:
    """Return good pictures of each format, by name; of some formats several kinds."""
    picture = noise()
    return {
        "jpeg": encoded(picture, "JPEG"),
        "jpeg-progressive": encoded(picture, "JPEG", progressive=True),
        "png": encoded(picture, "PNG"),
        "png-palette": encoded(picture.convert("P"), "PNG", transparency=3),
        "webp": encoded(picture, "WEBP"),
        "webp-lossless": encoded(noise(48, 40, "RGBA"), "WEBP", lossless=True),
        "gif": encoded(picture, "GIF"),
        "avif": encoded(picture, "AVIF"),
        "tiff": encoded(picture, "TIFF"),
        "tiff-deflate": encoded(picture, "TIFF", compression="tiff_adobe_deflate"),
        "tiff-jpeg": encoded(picture, "TIFF", compression="jpeg"),
        "bmp": encoded(picture, "BMP"),
        "heic": encoded(picture, "HEIF"),
    }


def cases() -> Iterator[Case]:
    """Yield the cases."""
    for name, data in whole().items():
        borders, complete_from = _borders(name.partition("-")[0], data)
        for border in sorted({*borders, len(data) // 2, len(data) * 9 // 10, len(data) - 1}):
            if 0 < border < len(data):
                may = CUT if border >= 16 else STUB
                may = may | {RENDERED} if border >= complete_from else may
                yield Case(f"{name}-cut-at-{border}-of-{len(data)}", "cut", data[:border], may)
        random = np.random.default_rng(len(data))
        for number in range(_FLIPS):
            flipped = bytearray(data)
            # The first ones hit the header, where a bit has more effect.
            for at in random.integers(0, len(data) if number > _FLIPS // 2 else min(len(data), 300), 1 + number % 4):
                flipped[at] ^= 1 << int(random.integers(0, 8))
            yield Case(f"{name}-flipped-{number}", "flipped", bytes(flipped), ANY)


def _borders(kind: str, data: bytes) -> tuple[list[int], int]:
    """Return where the parts of a picture begin, and the length from which on all its pixels are there."""
    if kind in {"png", "gif"}:
        blocks = _png(data) if kind == "png" else _gif(data)
        return blocks, blocks[-1]
    if kind in {"avif", "heic"}:
        # A decoder need not notice that the last bytes of the data are cut off.
        return [start + more for _, start, _ in boxes.walk(data) for more in (0, 8)], len(data) * 9 // 10
    if kind == "tiff":
        return _tiff(data)
    if kind == "jpeg":
        return _jpeg(data), len(data) - 2
    return _webp(data) if kind == "webp" else [2, 14, 18, 26, 30, 54], len(data)


def _webp(data: bytes) -> list[int]:
    starts = [12]
    while starts[-1] < len(data):
        size = struct.unpack_from("<I", data, starts[-1] + 4)[0]
        starts.append(starts[-1] + 8 + size + size % 2)
    return [4, 8, *starts, *(start + 8 for start in starts)]


def _jpeg(data: bytes) -> list[int]:
    return [found.start() for found in re.finditer(rb"\xff[\xc0-\xdb\xdd-\xfe]", data)] + [3]


def _png(data: bytes) -> list[int]:
    starts = [8]
    while data[starts[-1] + 4 : starts[-1] + 8] != b"IEND":
        starts.append(starts[-1] + 12 + struct.unpack_from(">I", data, starts[-1])[0])
    return [starts[0], *(start + 8 for start in starts[:-1]), *starts[1:]]


def _gif(data: bytes) -> list[int]:
    screen = 13 + 3 * 2 ** ((data[10] & 7) + 1)
    at = data.index(b",", screen) + 11
    blocks = [6, 13, screen, at]
    while data[at]:
        at += 1 + data[at]
        blocks.append(at)
    return blocks


def _tiff(data: bytes) -> tuple[list[int], int]:
    """Return the borders of a TIFF, whose directory may be before or after the pixels."""
    directory = struct.unpack_from("<I", data, 4)[0]
    complete_from = len(data) if directory > 8 else len(data) - 1
    return [4, 8, directory, directory + 2, *range(directory + 2, len(data), 12)], complete_from
