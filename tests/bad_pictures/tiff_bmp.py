"""TIFF and BMP: false counts and offsets, directories in a loop."""

import struct
from collections.abc import Iterator

from bad_pictures.case import ANY, HARMLESS, MALFORMED, TOO_LARGE, Case, encoded, noise

SHORT, LONG = 3, 4
Entry = tuple[int, int, int]

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, OFFSETS, SAMPLES, ROWS, COUNTS = (
    256,
    257,
    258,
    259,
    262,
    273,
    277,
    278,
    279,
)
PLANAR, PREDICTOR, COLOUR_MAP, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS = 284, 317, 320, 322, 323, 324, 325
SUB_IFDS, EXTRA, FORMAT, JPEG_TABLES, SUBSAMPLING, ORIENTATION, EXIF = 330, 338, 339, 347, 530, 274, 34665
_FIRST = 8


def tiff(changes: dict[int, tuple[int, int, int] | None] | None = None, following: int = 0, pixels: int = 64) -> bytes:
    """Return a grey TIFF of 8 x 8 pixels in one strip; `changes` are {tag: (type, count, value or offset) or None}."""
    entries: dict[int, tuple[int, int, int] | None] = {
        WIDTH: (LONG, 1, 8),
        HEIGHT: (LONG, 1, 8),
        BITS: (SHORT, 1, 8),
        COMPRESSION: (SHORT, 1, 1),
        PHOTOMETRIC: (SHORT, 1, 1),
        OFFSETS: (LONG, 1, 0),
        SAMPLES: (SHORT, 1, 1),
        ROWS: (LONG, 1, 8),
        COUNTS: (LONG, 1, pixels),
    }
    entries |= changes or {}
    kept = {tag: entry for tag, entry in entries.items() if entry is not None}
    behind = _FIRST + 2 + 12 * len(kept) + 4
    if kept.get(OFFSETS) == (LONG, 1, 0):
        kept[OFFSETS] = (LONG, 1, behind)
    listed = b"".join(struct.pack("<HHII", tag, *kept[tag]) for tag in sorted(kept))
    head = b"II*\0" + struct.pack("<I", _FIRST) + struct.pack("<H", len(kept)) + listed + struct.pack("<I", following)
    return head + bytes(range(64)) * (pixels // 64)


def cases() -> Iterator[Case]:
    """Yield the cases."""
    yield from _tiff_sides()
    yield from _tiff_lies()
    yield from _tiff_directories()
    yield from _bmp()


def _tiff_sides() -> Iterator[Case]:
    for width, height in [(9400, 9400), (30_001, 1), (1, 30_001), (65_535, 65_535), (2**31, 2), (2**32 - 1, 2**32 - 1)]:
        data = tiff({WIDTH: (LONG, 1, width), HEIGHT: (LONG, 1, height)})
        yield Case(f"tiff-says-{width}x{height}", "bomb of pixels", data, TOO_LARGE)
    for width, height in [(0, 8), (8, 0)]:
        data = tiff({WIDTH: (LONG, 1, width), HEIGHT: (LONG, 1, height)})
        yield Case(f"tiff-says-{width}x{height}", "lying header", data, MALFORMED)
    for compression in (1, 5, 8, 32_773):
        changes: dict[int, tuple[int, int, int] | None] = {WIDTH: (LONG, 1, 7000), HEIGHT: (LONG, 1, 7000)}
        data = tiff(changes | {COMPRESSION: (SHORT, 1, compression), ROWS: (LONG, 1, 7000)})
        yield Case(f"tiff-of-64-bytes-says-7000x7000-compressed-{compression}", "lying header", data, MALFORMED)


def _tiff_lies() -> Iterator[Case]:
    most = 2**32 - 1
    lies: dict[int, list[tuple[int, int, int] | None]] = {
        BITS: [
            None,
            (SHORT, 1, 0),
            (SHORT, 1, 3),
            (SHORT, 1, 64),
            (SHORT, 1, 65_535),
            (SHORT, 65_535, 8),
            (SHORT, most, 8),
        ],
        COMPRESSION: [
            None,
            *(
                (SHORT, 1, number)
                for number in (0, 2, 3, 4, 5, 6, 7, 8, 32_773, 34_661, 34_925, 50_000, 50_001, 65_535)
            ),
        ],
        PHOTOMETRIC: [None, *((SHORT, 1, number) for number in (2, 3, 4, 5, 6, 8, 32_844, 32_845, 65_535))],
        OFFSETS: [None, (LONG, 1, most), (LONG, 1, 4), (LONG, most, 8), (LONG, 1000, 8), (2, 4, 0x41414141)],
        SAMPLES: [None, (SHORT, 1, 0), (SHORT, 1, 2), (SHORT, 1, 65_535), (SHORT, 65_535, 8)],
        ROWS: [None, (LONG, 1, 0), (LONG, 1, 1), (LONG, 1, most)],
        COUNTS: [None, (LONG, 1, 0), (LONG, 1, 1), (LONG, 1, most), (LONG, most, 8), (LONG, 1000, 8)],
        PLANAR: [(SHORT, 1, 2), (SHORT, 1, 65_535)],
        PREDICTOR: [(SHORT, 1, 2), (SHORT, 1, 3), (SHORT, 1, 65_535)],
        COLOUR_MAP: [(SHORT, 768, most), (SHORT, 1, 0), (SHORT, most, 8)],
        EXTRA: [(SHORT, 1, 2), (SHORT, most, 2)],
        FORMAT: [(SHORT, 1, 2), (SHORT, 1, 3), (SHORT, 1, 65_535), (SHORT, most, 2)],
        ORIENTATION: [(SHORT, 1, 0), (SHORT, 1, 99), (2, 4, 0x41414141), (SHORT, most, 6)],
        EXIF: [(LONG, 1, _FIRST), (LONG, 1, most), (LONG, most, 8)],
        SUB_IFDS: [(LONG, 1, _FIRST), (LONG, most, _FIRST)],
        WIDTH: [None, (2, 4, 0x41414141), (11, 1, 0x7FC00000), (5, 1, most), (LONG, most, 8), (LONG, 0, 0)],
        HEIGHT: [None, (2, 4, 0x41414141)],
    }
    for tag, entries in lies.items():
        for entry in entries:
            name = f"tiff-tag-{tag}-" + ("is-missing" if entry is None else "type-{}-count-{}-value-{}".format(*entry))
            yield Case(name, "lying header", tiff({tag: entry}), ANY)
    for width, height, count in [
        (16, 16, 1),
        (2**31, 2**31, 1),
        (65_520, 65_520, 1),
        (0, 0, 1),
        (16, 16, most),
        (1, 1, 64),
    ]:
        tiles: dict[int, tuple[int, int, int] | None] = {OFFSETS: None, COUNTS: None, ROWS: None}
        tiles |= {TILE_WIDTH: (LONG, 1, width), TILE_HEIGHT: (LONG, 1, height)}
        tiles |= {TILE_OFFSETS: (LONG, count, 100), TILE_COUNTS: (LONG, count, 64)}
        for compression in (1, 5, 8):
            data = tiff(tiles | {COMPRESSION: (SHORT, 1, compression)})
            name = f"tiff-{count}-tiles-of-{width}x{height}-compressed-{compression}"
            yield Case(name, "lying header", data, ANY)


def _tiff_directories() -> Iterator[Case]:
    yield Case("tiff-directory-that-follows-itself", "loop", tiff(following=_FIRST), HARMLESS)
    yield Case("tiff-directory-at-nowhere", "loop", b"II*\0\xff\xff\xff\xff" + bytes(64), MALFORMED)
    yield Case("tiff-directory-in-the-header", "loop", b"II*\0\0\0\0\0" + bytes(64), MALFORMED)
    yield Case(
        "tiff-directory-of-65535-entries", "bomb of parts", b"II*\0\x08\0\0\0\xff\xff" + bytes(65_535 * 12), MALFORMED
    )
    yield Case("tiff-directory-that-is-cut", "lying header", tiff()[:40], MALFORMED)
    many = bytearray(tiff())
    for number in range(2000):
        at = len(many)
        follows = at + 18 if number < 1999 else _FIRST
        many += struct.pack("<HHHIII", 1, WIDTH, LONG, 1, 8, follows)
    start = _FIRST + 2 + 9 * 12
    many[start : start + 4] = struct.pack("<I", len(tiff()))
    yield Case("tiff-of-2000-directories-in-a-loop", "loop", bytes(many), HARMLESS)
    big = b"II+\0\x08\0\0\0" + struct.pack("<Q", 2**63) + bytes(64)
    yield Case("bigtiff-directory-at-nowhere", "loop", big, MALFORMED)
    entries = b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 2**62) + bytes(64)
    yield Case("bigtiff-of-4611686018427387904-entries", "bomb of parts", entries, MALFORMED)
    lying = encoded(noise(), "TIFF", compression="jpeg")
    yield Case("tiff-of-a-jpeg-cut-in-half", "lying header", lying[: len(lying) // 2], ANY)


def bmp(
    width: int = 8, height: int = 8, bits: int = 24, compression: int = 0, colours: int = 0, offset: int = 54
) -> bytes:
    """Return a BMP of 8 x 8 pixels, or of what its header says."""
    head = struct.pack("<2sIHHI", b"BM", 54 + 192, 0, 0, offset)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 2835, 2835, colours, 0)
    return head + info + bytes(range(192))


def _bmp() -> Iterator[Case]:
    for width, height in [
        (9400, 9400),
        (30_001, 1),
        (1, 30_001),
        (2**31 - 1, 2**31 - 1),
        (9400, -9400),
        (89_000_000, 1),
    ]:
        yield Case(f"bmp-says-{width}x{height}", "bomb of pixels", bmp(width, height), TOO_LARGE)
    for width, height in [(0, 8), (8, 0), (-8, 8), (-(2**31), -(2**31)), (8, -(2**31))]:
        yield Case(f"bmp-says-{width}x{height}", "lying header", bmp(width, height), MALFORMED | TOO_LARGE)
    for width, height in [(7000, 7000), (8, 9), (9, 8), (30_000, -1600)]:
        yield Case(f"bmp-of-8x8-says-{width}x{height}", "lying header", bmp(width, height), MALFORMED)
    for bits in (0, 1, 2, 4, 8, 15, 16, 32, 64, 65_535):
        yield Case(f"bmp-of-{bits}-bits", "lying header", bmp(bits=bits), HARMLESS)
    for compression in (1, 2, 3, 4, 5, 6, 99, 2**32 - 1):
        for bits in (4, 8, 24):
            data = bmp(bits=bits, compression=compression)
            yield Case(f"bmp-of-{bits}-bits-compressed-{compression}", "lying header", data, HARMLESS)
    run = bmp(7000, 7000, 8, 1, offset=54) + b"\0\2\xff\xff" * 50_000
    yield Case("bmp-runs-that-only-move", "bomb of parts", run, HARMLESS | TOO_LARGE)
    for colours in (1, 257, 2**31, 2**32 - 1):
        yield Case(f"bmp-of-{colours}-colours", "lying header", bmp(bits=8, colours=colours), HARMLESS | TOO_LARGE)
    for offset in (0, 14, 1000, 2**32 - 1):
        yield Case(f"bmp-pixels-at-{offset}", "lying header", bmp(offset=offset), HARMLESS)
    whole = bmp()
    for size in (0, 12, 16, 39, 41, 64, 108, 124, 2**32 - 1):
        data = whole[:14] + struct.pack("<I", size) + whole[18:]
        yield Case(f"bmp-header-of-{size}-bytes", "lying header", data, ANY)
