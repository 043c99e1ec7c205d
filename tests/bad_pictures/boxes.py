"""AVIF and HEIC: boxes with false contents, grids of thousands of tiles."""

import struct
from collections.abc import Iterator
from functools import cache

from bad_pictures.case import ANY, MALFORMED, RENDERED, TOO_COSTLY, TOO_LARGE, Case, encoded, noise

CONTAINERS = {b"meta", b"iprp", b"ipco", b"iinf"}
_BEFORE_CHILDREN = {b"meta": 4, b"iinf": 6}


def box(kind: bytes, *inside: bytes) -> bytes:
    """Return a box."""
    data = b"".join(inside)
    return struct.pack(">I", 8 + len(data)) + kind + data


def full(kind: bytes, *inside: bytes, version: int = 0, flags: int = 0) -> bytes:
    """Return a box with a version and flags."""
    return box(kind, bytes((version,)), flags.to_bytes(3), *inside)


def walk(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Yield (kind, start, end) of all boxes, nested ones included."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        yield kind, start, start + size
        if kind in CONTAINERS:
            yield from walk(data, start + 8 + _BEFORE_CHILDREN.get(kind, 0), start + size)
        start += size


def find(data: bytes, kind: bytes) -> tuple[int, int]:
    """Return start and end of the first box of `kind`."""
    return next((start, end) for found, start, end in walk(data) if found == kind)


@cache
def base(name: str) -> bytes:
    """Return a small picture in the format `name`."""
    return encoded(noise(64, 64), name)


def grid(name: str, rows: int, columns: int, width: int, height: int, tiles: int | None = None) -> bytes:
    """Return a picture of `width` x `height` made of tiles of 64 x 64 pixels, all of which are the same bytes."""
    small = base(name)
    codec, (config, hint) = {"AVIF": (b"av01", (b"av1C", b"avif")), "HEIF": (b"hvc1", (b"hvcC", b"heic"))}[name]
    start, end = find(small, config)
    pixels = _extent(small)
    tiles = rows * columns if tiles is None else tiles
    names = [full(b"infe", struct.pack(">HH4s", 1, 0, b"grid"), b"\0", version=2)]
    names += [
        full(b"infe", struct.pack(">HH4s", 2 + number, 0, codec), b"\0", version=2, flags=1) for number in range(tiles)
    ]
    spread = full(b"ispe", struct.pack(">II", width, height)), full(b"ispe", struct.pack(">II", 64, 64))
    depth = full(b"pixi", b"\3\x08\x08\x08")
    properties = box(b"ipco", spread[0], spread[1], small[start:end], depth)
    links = [struct.pack(">HBBB", 1, 2, 1, 4)]
    links += [struct.pack(">HBBBB", 2 + number, 3, 2, 0x83, 4) for number in range(tiles)]
    linked = full(b"ipma", struct.pack(">I", tiles + 1), *links)
    described = bytes((0, 1, rows - 1, columns - 1)) + struct.pack(">II", width, height)
    refers = full(
        b"iref", box(b"dimg", struct.pack(">HH", 1, tiles), *(struct.pack(">H", 2 + number) for number in range(tiles)))
    )

    def meta(offset: int) -> bytes:
        places = [struct.pack(">HHHII", 1, 0, 1, offset, len(described))]
        places += [
            struct.pack(">HHHII", 2 + number, 0, 1, offset + len(described), len(pixels)) for number in range(tiles)
        ]
        return full(
            b"meta",
            full(b"hdlr", bytes(4), b"pict", bytes(13)),
            full(b"pitm", struct.pack(">H", 1)),
            full(b"iloc", b"\x44\0", struct.pack(">H", tiles + 1), *places),
            full(b"iinf", struct.pack(">H", tiles + 1), *names),
            refers,
            box(b"iprp", properties, linked),
        )

    kind = box(b"ftyp", hint, bytes(4), b"mif1", hint, b"miaf")
    offset = len(kind) + len(meta(0)) + 8
    return kind + meta(offset) + box(b"mdat", described, pixels)


def _extent(small: bytes) -> bytes:
    """Return where the compressed pixels are: all of the box mdat."""
    start, end = find(small, b"mdat")
    return small[start + 8 : end]


def cases() -> Iterator[Case]:
    """Yield the cases."""
    for name in ("AVIF", "HEIF"):
        yield from _sides(name)
        yield from _sizes(name)
        yield from _grids(name)


def _sides(name: str) -> Iterator[Case]:
    small = base(name)
    at = find(small, b"ispe")[0] + 12
    for width, height in [
        (0, 0),
        (65_535, 65_535),
        (2**32 - 1, 2**32 - 1),
        (9400, 9400),
        (7000, 7000),
        (63, 63),
        (1, 1),
    ]:
        data = small[:at] + struct.pack(">II", width, height) + small[at + 8 :]
        yield Case(f"{name.lower()}-says-{width}x{height}", "lying header", data, ANY)


def _sizes(name: str) -> Iterator[Case]:
    small = base(name)
    seen: dict[bytes, int] = {}
    for kind, start, end in walk(small):
        seen[kind] = seen.get(kind, 0) + 1
        which = f"{name.lower()}-box-{kind.decode()}-{seen[kind]}"
        for size in (0, 1, 7, 2**31, 2**32 - 1, end - start + 8):
            if size != end - start:
                data = small[:start] + struct.pack(">I", size) + small[start + 4 :]
                yield Case(f"{which}-of-size-{size}", "lying box", data, ANY)
        if kind not in {b"ftyp", b"mdat", b"meta"}:
            data = small[: start + 4] + b"free" + small[start + 8 :]
            yield Case(f"{which}-is-missing", "lying box", data, ANY)
    start, end = find(small, b"iloc")
    for offset in range(start + 14, end - 3, 4):
        data = small[:offset] + b"\xff\xff\xff\xf0" + small[offset + 4 :]
        yield Case(f"{name.lower()}-place-lies-at-{offset - start}", "lying box", data, ANY)


def _grids(name: str) -> Iterator[Case]:
    kind = "bomb of tiles"
    low = name.lower()
    yield Case(f"{low}-grid-of-4-tiles", kind, grid(name, 2, 2, 128, 128), frozenset({RENDERED}))
    yield Case(
        f"{low}-grid-of-65536-tiles-that-are-missing",
        kind,
        grid(name, 256, 256, 16_384, 16_384, 4),
        TOO_LARGE | MALFORMED,
    )
    yield Case(f"{low}-grid-of-10000-tiles-that-are-missing", kind, grid(name, 100, 100, 6400, 6400, 4), MALFORMED)
    yield Case(f"{low}-grid-of-10000-tiles", kind, grid(name, 100, 100, 6400, 6400), ANY | TOO_COSTLY)
    yield Case(f"{low}-grid-that-is-larger-than-its-tiles", kind, grid(name, 2, 2, 6400, 6400), MALFORMED)
    yield Case(f"{low}-grid-of-20000x20000", kind, grid(name, 2, 2, 20_000, 20_000), TOO_LARGE | MALFORMED)
