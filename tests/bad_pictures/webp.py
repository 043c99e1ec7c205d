"""WebP: false canvases, frames without end."""

import struct
from collections.abc import Iterator

from PIL import Image

from bad_pictures.case import HARMLESS, MALFORMED, RENDERED, TOO_LARGE, Case, encoded, noise


def part(kind: bytes, data: bytes) -> bytes:
    """Return a RIFF chunk."""
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def riff(*parts: bytes) -> bytes:
    """Return a WebP file of these chunks."""
    inside = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(inside)) + inside


def one_colour(width: int, height: int) -> bytes:
    """Return a lossless WebP of one colour: 34 bytes for any size, since all codes have the length 0."""
    small = bytearray(encoded(Image.new("RGB", (16, 16), (200, 90, 10)), "WEBP", lossless=True))
    at = small.index(b"VP8L") + 9
    bits = int.from_bytes(small[at : at + 4], "little")
    bits = bits >> 28 << 28 | (height - 1) << 14 | (width - 1)
    small[at : at + 4] = bits.to_bytes(4, "little")
    return bytes(small)


def canvas(width: int, height: int, flags: int = 0) -> bytes:
    """Return a VP8X chunk."""
    return part(
        b"VP8X", bytes((flags, 0, 0, 0)) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    )


def frame(picture: bytes, left: int = 0, width: int = 16, height: int = 16) -> bytes:
    """Return an ANMF chunk with the pixels of `picture`."""
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return part(b"ANMF", (left // 2).to_bytes(3, "little") + bytes(3) + sides + b"\x0a\0\0\0" + picture)


def cases() -> Iterator[Case]:
    """Yield the cases."""
    for width, height in [(9400, 9400), (16_383, 16_383), (16_383, 3910), (8001, 8000)]:
        data = one_colour(width, height)
        yield Case(f"webp-of-{len(data)}-bytes-says-{width}x{height}", "bomb of pixels", data, TOO_LARGE)
    pixels = one_colour(16, 16)[12:]
    for width, height in [(9400, 9400), (1 << 24, 255), (30_001, 1)]:
        data = riff(canvas(width, height), pixels)
        yield Case(f"webp-canvas-{width}x{height}", "bomb of pixels", data, TOO_LARGE | MALFORMED)
    animation = part(b"ANIM", bytes(6))
    many = riff(canvas(16, 16, 2), animation, frame(pixels) * 5000)
    yield Case("webp-of-5000-frames", "bomb of frames", many, frozenset({RENDERED}))
    large = riff(canvas(9400, 9400, 2), animation, frame(one_colour(9400, 9400)[12:], 0, 9400, 9400) * 3)
    yield Case("webp-of-3-frames-of-9400x9400", "bomb of frames", large, TOO_LARGE)
    outside = riff(canvas(16, 16, 2), animation, frame(one_colour(7000, 7000)[12:], 0, 7000, 7000))
    yield Case("webp-frame-larger-than-its-canvas", "bomb of frames", outside, MALFORMED)
    beside = riff(canvas(16, 16, 2), animation, frame(pixels, 1 << 20))
    yield Case("webp-frame-beside-its-canvas", "lying header", beside, MALFORMED)
    lossy = encoded(noise(), "WEBP")
    at = lossy.index(b"\x9d\x01\x2a") + 3
    for width, height in [(0, 0), (0, 40), (16_383, 16_383), (47, 39), (480, 400), (7000, 7000)]:
        data = lossy[:at] + struct.pack("<HH", width, height) + lossy[at + 4 :]
        yield Case(f"webp-lossy-says-{width}x{height}", "lying header", data, HARMLESS | TOO_LARGE)
    parts = {
        "canvas-without-a-picture": (riff(canvas(16, 16)), MALFORMED),
        "animation-without-frames": (riff(canvas(16, 16, 2), animation), MALFORMED),
        "canvas-of-one-byte": (riff(part(b"VP8X", b"\0"), pixels), MALFORMED | TOO_LARGE),
        "pixels-of-nothing": (riff(part(b"VP8L", b"")), MALFORMED),
        "pixels-of-rubbish": (riff(part(b"VP8L", b"\x2frubbish, nothing else")), MALFORMED),
        "two-canvases": (riff(canvas(16, 16), canvas(9000, 9000), pixels), HARMLESS),
        "alpha-of-rubbish": (riff(canvas(48, 40, 16), part(b"ALPH", b"\x7frubbish"), lossy[12:]), HARMLESS),
        "profile-of-rubbish": (riff(canvas(16, 16, 32), part(b"ICCP", b"rubbish" * 99), pixels), HARMLESS),
        "exif-of-rubbish": (riff(canvas(16, 16, 8), pixels, part(b"EXIF", b"rubbish" * 99)), HARMLESS),
        "of-20000-unknown-chunks": (riff(canvas(16, 16), part(b"JUNK", b"x") * 20_000, pixels), HARMLESS),
        "size-0": (b"RIFF\0\0\0\0" + lossy[8:], MALFORMED),
        "size-of-4-gigabytes": (b"RIFF\xff\xff\xff\xff" + lossy[8:], MALFORMED),
        "chunk-of-4-gigabytes": (lossy[:16] + b"\xff\xff\xff\xff" + lossy[20:], MALFORMED),
        "chunk-of-nothing": (lossy[:16] + bytes(4) + lossy[20:], MALFORMED),
    }
    for name, (data, outcomes) in parts.items():
        yield Case(f"webp-{name}", "lying header", data, outcomes)
