"""GIF: thousands of frames, screens of gigabytes, invalid codes."""

import struct
from collections.abc import Iterator

from bad_pictures.case import HARMLESS, MALFORMED, RENDERED, TOO_LARGE, Case

# Two pixels in LZW with a minimum code size of 2: clear, 0, 0, end.
PIXELS = b"\x02\x02\x04\x05\x00"
END = b";"


def screen(width: int, height: int, flags: int = 0x80) -> bytes:
    """Return the header of a GIF, with a table of two colours if `flags` says so."""
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, flags, 0, 0)
    return head + (b"\x00\x00\x00\xff\xff\xff" if flags & 0x80 else b"")


def frame(width: int, height: int, pixels: bytes = PIXELS, left: int = 0, top: int = 0, flags: int = 0) -> bytes:
    """Return a frame of a GIF."""
    return b"," + struct.pack("<HHHHB", left, top, width, height, flags) + pixels


def cases() -> Iterator[Case]:
    """Yield the cases."""
    for width, height in [(65_535, 65_535), (9400, 9400), (30_001, 1), (1, 30_001)]:
        yield Case(
            f"gif-screen-{width}x{height}", "bomb of pixels", screen(width, height) + frame(2, 1) + END, TOO_LARGE
        )
        data = screen(2, 1) + frame(width, height) + END
        yield Case(f"gif-frame-{width}x{height}-on-a-small-screen", "bomb of pixels", data, TOO_LARGE | MALFORMED)
    good = screen(2, 1) + frame(2, 1)
    for count in (2000, 20_000):
        yield Case(f"gif-of-{count}-frames", "bomb of frames", good + frame(2, 1) * count + END, frozenset({RENDERED}))
    large = screen(5000, 5000) + frame(2, 1) + frame(5000, 5000) * 2000 + END
    yield Case("gif-of-2000-frames-of-5000x5000", "bomb of frames", large, HARMLESS)
    lying = good + frame(65_535, 65_535) * 9 + END
    yield Case("gif-whose-second-frame-is-65535x65535", "bomb of frames", lying, HARMLESS)
    control = b"!\xf9\4\x0d\0\0\0\0"
    yield Case("gif-disposal-of-5000-frames", "bomb of frames", good + (control + frame(2, 1)) * 5000 + END, HARMLESS)
    comments = screen(2, 1) + (b"!\xfe" + (b"\xff" + b"x" * 255) * 40 + b"\0") * 500 + frame(2, 1) + END
    yield Case("gif-comments-of-5-megabytes", "bomb of parts", comments, HARMLESS)
    controls = screen(2, 1) + control * 100_000 + frame(2, 1) + END
    yield Case("gif-100000-controls", "bomb of parts", controls, HARMLESS)
    loops = screen(2, 1) + (b"!\xff\x0bNETSCAPE2.0\3\1\xff\xff\0") * 50_000 + frame(2, 1) + END
    yield Case("gif-50000-loop-counts", "bomb of parts", loops, HARMLESS)
    blocks = screen(2, 1) + frame(2, 1, b"\2" + b"\1\4" * 200_000 + b"\0") + END
    yield Case("gif-pixels-in-200000-blocks-of-clear-codes", "bomb of parts", blocks, HARMLESS)
    rubbish = screen(2, 1) + b"\x01" * 500_000 + frame(2, 1) + END
    yield Case("gif-half-a-megabyte-between-blocks", "bomb of parts", rubbish, HARMLESS)
    for width, height in [(0, 0), (0, 1), (2, 0)]:
        yield Case(f"gif-screen-{width}x{height}", "lying header", screen(width, height) + frame(2, 1) + END, HARMLESS)
        yield Case(f"gif-frame-{width}x{height}", "lying header", screen(2, 1) + frame(width, height) + END, HARMLESS)
    for bits in (0, 1, 9, 12, 13, 32, 255):
        data = screen(2, 1) + frame(2, 1, bytes((bits,)) + PIXELS[1:]) + END
        yield Case(f"gif-codes-of-{bits}-bits", "lying header", data, HARMLESS)
    for left, top in [(1, 0), (65_535, 65_535), (9000, 9000)]:
        data = screen(2, 1) + frame(2, 1, left=left, top=top) + END
        yield Case(f"gif-frame-at-{left}-{top}", "lying header", data, HARMLESS | TOO_LARGE)
    broken = {
        "nothing-but-its-magic": b"GIF89a",
        "screen-and-nothing-else": screen(2, 1),
        "end-before-any-frame": screen(2, 1) + END,
        "frame-without-pixels": screen(2, 1) + frame(2, 1, b""),
        "7000x7000-of-two-pixels": screen(7000, 7000) + frame(7000, 7000) + END,
        "pixels-of-unknown-codes": screen(2, 1) + frame(2, 1, b"\2\2\xff\xff\0") + END,
    }
    for name, data in broken.items():
        yield Case(f"gif-{name}", "lying header", data, MALFORMED)
    odd = {
        "without-any-palette": screen(2, 1, 0) + frame(2, 1) + END,
        "palette-of-256-that-is-cut": screen(2, 1, 0x87) + frame(2, 1) + END,
        "interlaced-in-one-row": screen(2, 1) + frame(2, 1, flags=0x40) + END,
        "local-palette-that-is-cut": screen(2, 1) + frame(2, 1, flags=0x87) + END,
        "control-of-nothing": screen(2, 1) + b"!\xf9\0" + frame(2, 1) + END,
        "extension-that-never-ends": screen(2, 1) + b"!\xff" + b"\xff" * 3000,
        "background-that-is-no-colour": screen(2, 1)[:11] + b"\xff" + screen(2, 1)[12:] + frame(2, 1) + END,
        "transparent-colour-that-is-none": screen(2, 1) + b"!\xf9\4\1\0\0\xff\0" + frame(2, 1) + END,
        "end-is-missing": good,
    }
    for name, data in odd.items():
        yield Case(f"gif-{name}", "lying header", data, HARMLESS)
