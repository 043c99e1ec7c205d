"""PNG: bombs in pixels, profiles and texts; chunks with false contents."""

import struct
import zlib
from collections.abc import Iterator

from bad_pictures.case import (
    HARMLESS,
    MALFORMED,
    RENDERED,
    TOO_LARGE,
    Case,
    encoded,
    noise,
    zeros_deflated,
)

MAGIC = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    """Return a chunk with a correct checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def header(width: int, height: int, depth: int = 8, colour: int = 2, interlace: int = 0, method: int = 0) -> bytes:
    """Return an IHDR chunk, valid or not."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, method, 0, interlace))


def png(first: bytes, *others: bytes, pixels: bytes = b"") -> bytes:
    """Return a PNG of 8 x 8 pixels, or of what `first`, the IHDR chunk, says."""
    return MAGIC + first + b"".join(others) + chunk(b"IDAT", pixels or ROWS) + chunk(b"IEND")


ROWS = zlib.compress(bytes(8 * (1 + 24)))


def cases() -> Iterator[Case]:
    """Yield the cases."""
    yield from _sides()
    yield from _bombs()
    yield from _lies()


def _sides() -> Iterator[Case]:
    sizes = [(89_000_000, 1), (1, 89_000_000), (9400, 9400), (30_001, 1), (1, 30_001), (2**31 - 1, 1), (8001, 8000)]
    for width, height in [*sizes, (2**31 - 1, 2**31 - 1), (65_535, 65_535)]:
        yield Case(f"png-says-{width}x{height}", "bomb of pixels", png(header(width, height)), TOO_LARGE)
    for depth, colour, interlace in [(1, 0, 0), (16, 6, 0), (8, 6, 1), (8, 3, 1)]:
        first = header(20_000, 20_000, depth, colour, interlace)
        name = f"png-says-20000x20000-depth-{depth}-colour-{colour}-interlace-{interlace}"
        yield Case(name, "bomb of pixels", png(first, chunk(b"PLTE", bytes(3))), TOO_LARGE)
    for width, height in [(0, 8), (8, 0), (0, 0)]:
        yield Case(f"png-says-{width}x{height}", "lying header", png(header(width, height)), MALFORMED)
    for width, height in [(2**32 - 1, 8), (8, 2**31), (2**32 - 1, 2**32 - 1)]:
        yield Case(f"png-says-{width}x{height}", "lying header", png(header(width, height)), MALFORMED | TOO_LARGE)
    for width, height in [(7000, 7000), (30_000, 1600), (20, 20)]:
        yield Case(f"png-of-8x8-says-{width}x{height}", "lying header", png(header(width, height)), MALFORMED)

    twice = png(header(8, 8), header(20_000, 20_000))
    yield Case("png-second-ihdr-says-20000x20000", "bomb of pixels", twice, TOO_LARGE | MALFORMED)


def _bombs() -> Iterator[Case]:
    first = header(8, 8)
    bomb = zeros_deflated(200 << 20)
    named = b"x\0\0" + bomb
    yield Case("png-pixels-of-200-megabytes-in-8x8", "bomb of zlib", png(first, pixels=bomb), HARMLESS)
    yield Case("png-profile-of-200-megabytes", "bomb of zlib", png(first, chunk(b"iCCP", named)), HARMLESS)
    yield Case("png-ztxt-of-200-megabytes", "bomb of zlib", png(first, chunk(b"zTXt", named)), HARMLESS)
    international = chunk(b"iTXt", b"x\0\1\0\0\0" + bomb)
    yield Case("png-itxt-of-200-megabytes", "bomb of zlib", png(first, international), HARMLESS)
    xmp = chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb)
    yield Case("png-xmp-of-200-megabytes", "bomb of zlib", png(first, xmp), HARMLESS)
    behind = MAGIC + first + chunk(b"IDAT", ROWS) + chunk(b"zTXt", named) + chunk(b"IEND")
    yield Case("png-ztxt-of-200-megabytes-behind-the-pixels", "bomb of zlib", behind, HARMLESS)
    texts = chunk(b"zTXt", b"x\0\0" + zeros_deflated(1 << 20)) * 200
    yield Case("png-200-texts-of-a-megabyte", "bomb of zlib", png(first, texts), HARMLESS)
    for kind in (b"tEXt", b"gAMA", b"eXIf", b"iCCP", b"prIv"):
        many = chunk(kind, b"x\0\0\0") * 20_000
        name = f"png-20000-chunks-of-{kind.decode().lower()}"
        yield Case(name, "bomb of parts", png(first, many), HARMLESS)
    yield Case("png-20000-empty-idat", "bomb of parts", png(first, chunk(b"IDAT") * 20_000), HARMLESS)
    frames = chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))
    yield Case("apng-of-2147483647-frames", "bomb of frames", png(first, frames), HARMLESS)
    control = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 20_000, 20_000, 0, 0, 1, 1, 0, 0))
    yield Case(
        "apng-frame-larger-than-the-picture",
        "bomb of frames",
        png(first, chunk(b"acTL", b"\0\0\0\2" * 2), control),
        HARMLESS,
    )
    many = encoded(noise(), "PNG", save_all=True, append_images=[noise(48, 40), noise(40, 40).resize((48, 40))] * 100)
    yield Case("apng-of-200-frames", "bomb of frames", many, frozenset({RENDERED}))


def _lies() -> Iterator[Case]:
    first, whole = header(8, 8), encoded(noise(), "PNG")
    for depth, colour in [(0, 2), (3, 2), (32, 2), (255, 2), (4, 2), (1, 6), (16, 3), (8, 1), (8, 5), (8, 7), (8, 255)]:
        name = f"png-depth-{depth}-colour-{colour}"
        yield Case(name, "lying header", png(header(8, 8, depth, colour)), MALFORMED)
    yield Case("png-filter-method-9", "lying header", png(header(8, 8, method=9)), HARMLESS)
    yield Case("png-interlace-9", "lying header", png(header(8, 8, interlace=9)), HARMLESS)
    structures = {
        "png-nothing-but-its-magic": MAGIC,
        "png-without-ihdr": MAGIC + chunk(b"IDAT", ROWS) + chunk(b"IEND"),
        "png-without-pixels": MAGIC + first + chunk(b"IEND"),
        "png-ihdr-of-one-byte": MAGIC + chunk(b"IHDR", b"\0") + chunk(b"IEND"),
        "png-pixels-that-are-no-zlib": png(first, pixels=b"no zlib at all" * 9),
        "png-pixels-of-an-unknown-filter": png(first, pixels=zlib.compress(b"\x09" * (8 * 25))),
        "png-chunk-of-2-gigabytes": MAGIC + first + b"\x7f\xff\xff\xfftEXt" + ROWS,
        "png-checksum-of-ihdr-is-wrong": png(first[:-1] + b"\0"),
        "png-name-of-a-chunk-is-no-text": png(first, chunk(b"\0\1\2\3", b"x")),
    }
    for name, data in structures.items():
        yield Case(name, "lying header", data, MALFORMED)
    for kind in (b"tEXt", b"gAMA", b"iCCP", b"tRNS", b"prIv", b"eXIf"):
        data = png(first, chunk(kind, bytes(6))[:-1] + b"\xee")
        yield Case(f"png-checksum-of-{kind.decode().lower()}-is-wrong", "flipped", data, frozenset({RENDERED}))
    twice = png(first, *(chunk(b"tEXt", b"a\0b")[:-1] + b"\xee", chunk(b"gAMA", b"\0\0\xb1\x8f")) * 2)
    yield Case("png-checksums-of-every-other-part-are-wrong", "flipped", twice, frozenset({RENDERED}))
    oddities = {
        "png-lacks-its-last-row": png(header(8, 9)),
        "png-chunk-of-4-gigabytes": MAGIC + first + b"\xff\xff\xff\xffIDAT" + ROWS,
        "png-palette-is-missing": png(header(8, 8, 8, 3)),
        "png-palette-of-one-byte": png(header(8, 8, 8, 3), chunk(b"PLTE", b"\1")),
        "png-palette-of-1000-colours": png(header(8, 8, 8, 3), chunk(b"PLTE", bytes(3000))),
        "png-palette-of-one-colour-and-pixels-of-others": png(
            header(8, 8, 8, 3),
            chunk(b"PLTE", bytes(3)),
            pixels=zlib.compress(b"\0\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8" * 8),
        ),
        "png-transparency-longer-than-the-palette": png(
            header(8, 8, 8, 3), chunk(b"PLTE", bytes(6)), chunk(b"tRNS", bytes(256))
        ),
        "png-transparency-of-one-byte": png(first, chunk(b"tRNS", b"\1")),
        "png-two-palettes": png(header(8, 8, 8, 3), chunk(b"PLTE", bytes(6)), chunk(b"PLTE", bytes(9))),
        "png-exif-that-loops": png(
            first, chunk(b"eXIf", b"II*\0\x08\0\0\0\1\0\x69\x87\4\0\1\0\0\0\x08\0\0\0\x08\0\0\0")
        ),
        "png-exif-of-rubbish": png(first, chunk(b"eXIf", b"II*\0\xff\xff\xff\xff")),
        "png-orientation-that-is-text": png(
            first, chunk(b"eXIf", b"II*\0\x08\0\0\0\1\0\x12\1\2\0\4\0\0\0abc\0\0\0\0\0")
        ),
        "png-orientation-99": png(first, chunk(b"eXIf", b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\x63\0\0\0\0\0\0\0")),
        "png-orientation-of-many-values": png(
            first, chunk(b"eXIf", b"II*\0\x08\0\0\0\1\0\x12\1\3\0\2\0\0\0\6\0\6\0\0\0\0\0")
        ),
        "png-profile-of-rubbish": png(first, chunk(b"iCCP", b"x\0\0" + zlib.compress(b"rubbish" * 99))),
        "png-profile-that-is-no-zlib": png(first, chunk(b"iCCP", b"x\0\0rubbish")),
        "png-profile-that-has-no-name": png(first, chunk(b"iCCP", b"")),
        "png-profile-of-an-unknown-method": png(first, chunk(b"iCCP", b"x\0\7abc")),
        "png-resolution-of-nothing": png(first, chunk(b"pHYs", b"")),
        "png-gamma-of-nothing": png(first, chunk(b"gAMA", b"")),
        "png-gamma-of-zero": png(first, chunk(b"gAMA", bytes(4))),
        "png-chroma-of-one-byte": png(first, chunk(b"cHRM", b"\1")),
        "png-srgb-of-nothing": png(first, chunk(b"sRGB", b"")),
        "png-text-without-a-key": png(first, chunk(b"tEXt", b"")),
        "png-animation-control-of-nothing": png(first, chunk(b"acTL", b"")),
        "png-frame-control-of-nothing": png(first, chunk(b"acTL", b"\0\0\0\2" * 2), chunk(b"fcTL", b"")),
        "png-frame-data-before-the-picture": png(first, chunk(b"fdAT", b"\0\0\0\1abc")),
        "png-checksum-of-pixels-is-wrong": whole[:-16] + b"\0\0\0\0" + whole[-12:],
        "png-end-is-missing": whole[:-12],
    }
    for name, data in oddities.items():
        yield Case(name, "lying header", data, HARMLESS)
