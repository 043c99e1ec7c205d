"""JPEG: false sizes, missing tables, and scans without end."""

import re
import struct
from collections.abc import Iterator

from bad_pictures.case import HARMLESS, MALFORMED, NO_PICTURE, RENDERED, TOO_COSTLY, TOO_LARGE, Case, encoded, noise

END = b"\xff\xd9"


def segment(marker: int, data: bytes = b"") -> bytes:
    """Return a segment with its correct length."""
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def frame(
    width: int, height: int, components: int = 1, marker: int = 0xC0, sampling: int = 0x11, bits: int = 8
) -> bytes:
    """Return a frame header, SOF."""
    listed = b"".join(bytes((1 + number & 0xFF, sampling, 0)) for number in range(components))
    return segment(marker, struct.pack(">BHHB", bits, height, width, components & 0xFF) + listed)


def resized(data: bytes, width: int, height: int) -> bytes:
    """Return `data` with other sides in its header."""
    where = re.search(rb"\xff[\xc0-\xc2]\x00[\x08-\x14]\x08", data)
    assert where
    return data[: where.end()] + struct.pack(">HH", height, width) + data[where.end() + 4 :]


def scans(width: int, height: int, count: int) -> bytes:
    """Return `count` progressive scans without data: each of 10 bytes makes the decoder go over all blocks."""
    tables = segment(0xDB, b"\0" + b"\1" * 64)
    codes = b"".join(segment(0xC4, bytes((kind,)) + b"\1" + bytes(15) + b"\0") for kind in (0x00, 0x10))
    first = segment(0xDA, b"\1\1\0\0\0\0")
    others = b"".join(segment(0xDA, bytes((1, 1, 0, 1 + number % 63, 63, 0))) for number in range(count))
    return b"\xff\xd8" + tables + frame(width, height, marker=0xC2) + codes + first + others + END


def cases() -> Iterator[Case]:
    """Yield the cases."""
    plain, progressive = encoded(noise(), "JPEG"), encoded(noise(), "JPEG", progressive=True)
    for width, height in [(65_535, 65_535), (9400, 9400), (30_001, 1), (1, 30_001), (10_000, 6401), (65_500, 800)]:
        yield Case(f"jpeg-says-{width}x{height}", "bomb of pixels", resized(plain, width, height), TOO_LARGE)
    yield Case("jpeg-progressive-says-20000x20000", "bomb of pixels", resized(progressive, 20_000, 20_000), TOO_LARGE)
    for width, height in [(7000, 7000), (48, 4000), (480, 400), (30_000, 1600)]:
        yield Case(f"jpeg-of-48x40-says-{width}x{height}", "lying header", resized(plain, width, height), HARMLESS)
    yield Case("jpeg-of-48x40-says-8x8", "lying header", resized(plain, 8, 8), frozenset({RENDERED}))
    for width, height in [(0, 40), (48, 0), (0, 0)]:
        yield Case(f"jpeg-says-{width}x{height}", "lying header", resized(plain, width, height), MALFORMED)
    for width, height, count in [(7000, 7000, 5000), (30_000, 1600, 5000), (4000, 4000, 20_000)]:
        name = f"jpeg-{width}x{height}-of-{count}-scans"
        yield Case(name, "bomb of scans", scans(width, height, count), TOO_COSTLY)
    yield Case("jpeg-64x64-of-5000-scans", "bomb of scans", scans(64, 64, 5000), HARMLESS)
    yield from _bombs(plain)
    yield from _lies(plain, progressive)


def _bombs(plain: bytes) -> Iterator[Case]:
    start, rest = plain[:2], plain[2:]
    for marker in (0xFE, 0xE1, 0xE2, 0xED, 0xDB):
        inside = b"\0" + b"\1" * 64 if marker == 0xDB else b"x" * 6
        data = start + segment(marker, inside) * 20_000 + rest
        yield Case(f"jpeg-20000-segments-{marker:x}", "bomb of parts", data, HARMLESS)
    yield Case("jpeg-a-megabyte-of-fill-bytes", "bomb of parts", start + b"\xff" * (1 << 20) + rest, HARMLESS)
    photoshop = segment(0xED, b"Photoshop 3.0\0" + b"8BIM\x03\xed\0\0\xff\xff\xff\xff" * 900)
    yield Case("jpeg-photoshop-blocks-that-lie", "bomb of parts", start + photoshop + rest, HARMLESS)
    profile = b"".join(
        segment(0xE2, b"ICC_PROFILE\0" + bytes((number, 255)) + bytes(60_000)) for number in range(1, 256)
    )
    yield Case("jpeg-profile-of-15-megabytes", "bomb of parts", start + profile + rest, HARMLESS)


def _lies(plain: bytes, progressive: bytes) -> Iterator[Case]:
    start, rest = plain[:2], plain[2:]
    scan = segment(0xDA, b"\1\1\0\0\x3f\0")
    for components in (0, 2, 5, 10, 255):
        data = b"\xff\xd8" + frame(16, 16, components) + scan + END
        yield Case(f"jpeg-of-{components}-components", "lying header", data, MALFORMED)
    for sampling in (0x00, 0x01, 0x55, 0xFF):
        data = b"\xff\xd8" + frame(16, 16, 3, sampling=sampling) + scan + END
        yield Case(f"jpeg-sampling-{sampling:02x}", "lying header", data, MALFORMED)
    for bits in (0, 1, 12, 16, 255):
        yield Case(
            f"jpeg-of-{bits}-bits",
            "lying header",
            b"\xff\xd8" + frame(16, 16, bits=bits) + scan + END,
            MALFORMED | NO_PICTURE,
        )
    for marker in (0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCF):
        data = plain.replace(b"\xff\xc0", bytes((0xFF, marker)), 1)
        yield Case(f"jpeg-of-process-{marker:x}", "lying header", data, HARMLESS)
    scan_at = plain.index(b"\xff\xda")
    broken = {
        "nothing-but-its-magic": plain[:4],
        "without-tables": b"\xff\xd8" + frame(16, 16) + scan + END,
        "without-a-frame": b"\xff\xd8" + scan + bytes(99) + END,
        "without-a-scan": plain[:scan_at] + END,
        "two-frames": start + frame(20, 20) + rest,
        "segment-longer-than-the-file": b"\xff\xd8\xff\xe0\xff\xffJFIF",
        "frame-of-two-bytes": start + segment(0xC0) + rest,
        "scan-of-unknown-components": plain[:scan_at] + segment(0xDA, b"\1\x63\0\0\x3f\0") + bytes(99) + END,
        "huffman-table-of-many-codes": start + segment(0xC4, b"\0" + b"\xff" * 16 + bytes(200)) + plain[scan_at:],
        "scan-cut-at-once": plain[: scan_at + 20],
    }
    for name, data in broken.items():
        yield Case(f"jpeg-{name}", "lying header", data, MALFORMED)
    odd = {
        "segment-of-length-0": start + b"\xff\xe0\0\0" + rest,
        "segment-of-length-1": start + b"\xff\xe0\0\1" + rest,
        "quantised-by-zero": re.sub(rb"(?s)\xff\xdb\0\x43\0.{64}", b"\xff\xdb\0\x43\0" + bytes(64), plain, count=1),
        "huffman-table-of-number-15": start + segment(0xC4, b"\x0f\1" + bytes(16)) + rest,
        "restart-every-block": start + segment(0xDD, b"\0\1") + rest,
        "profile-of-rubbish": start + segment(0xE2, b"ICC_PROFILE\0\1\1" + b"rubbish" * 99) + rest,
        "profile-whose-parts-are-missing": start + segment(0xE2, b"ICC_PROFILE\0\5\xff" + b"rubbish" * 99) + rest,
        "profile-of-nothing": start + segment(0xE2, b"ICC_PROFILE\0") + rest,
        "exif-that-loops": start
        + segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\1\0\x69\x87\4\0\1\0\0\0\x08\0\0\0\x08\0\0\0")
        + rest,
        "exif-of-rubbish": start + segment(0xE1, b"Exif\0\0rubbish") + rest,
        "exif-of-nothing": start + segment(0xE1, b"Exif\0\0") + rest,
        "exif-of-65535-entries": start + segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(9000)) + rest,
        "orientation-of-4-gigabytes": start
        + segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\xff\xff\xff\xff\6\0\0\0\0\0\0\0")
        + rest,
        "orientation-that-is-text": start
        + segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\2\0\4\0\0\0abc\0\0\0\0\0")
        + rest,
        "resolution-of-zero-by-zero": start
        + segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\1\0\x1a\1\5\0\1\0\0\0\x1a\0\0\0\0\0\0\0" + bytes(8))
        + rest,
        "second-pictures-that-lie": start
        + segment(0xE2, b"MPF\0II*\0\x08\0\0\0\1\0\2\xb0\7\0\xff\xff\xff\x7f\x08\0\0\0\0\0\0\0")
        + rest,
        "second-pictures-of-rubbish": start + segment(0xE2, b"MPF\0rubbish") + rest,
        "two-second-pictures-at-nowhere": start
        + segment(
            0xE2,
            b"MPF\0II*\0\x08\0\0\0\3\0\0\xb0\7\0\4\0\0\x000100\1\xb0\4\0\1\0\0\0\2\0\0\0\2\xb0\7\0\x20\0\0\0\x32\0\0\0\0\0\0\0"
            + b"\xff" * 32,
        )
        + rest,
        "adobe-segment-of-one-byte": start + segment(0xEE, b"Adobe") + rest,
        "adobe-transform-255": start + segment(0xEE, b"Adobe\0\x64\0\0\0\0\xff") + rest,
        "scan-of-nothing-but-restarts": plain[: scan_at + 14] + b"\xff\xd0\xff\xd1" * 999 + END,
        "scan-of-nothing-but-ones": plain[: scan_at + 14] + b"\xff\0" * 9999 + END,
        "progressive-with-its-first-scan-twice": progressive[:-2] + progressive[progressive.index(b"\xff\xda") :],
        "end-in-the-middle": plain[: scan_at + 200] + END,
        "end-is-missing": plain[:-2],
    }
    for name, data in odd.items():
        yield Case(f"jpeg-{name}", "lying header", data, HARMLESS)
