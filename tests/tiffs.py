"""TIFFs of samples of every kind, made byte by byte, for tests."""

import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, OFFSETS, SAMPLES, COUNTS = 256, 257, 258, 259, 262, 273, 277, 279
ROWS, PLANAR, PREDICTOR, COLOUR_MAP, EXTRA, FORMAT = 278, 284, 317, 320, 338, 339
SUB_DIRECTORIES, MAKE, DNG_VERSION, SUBSAMPLING = 330, 271, 50706, 530
GREY, RGB, PALETTE, INKS, YCBCR, LAB, SENSOR = 1, 2, 3, 5, 6, 8, 32803
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
_TYPES = {int: (3, "H"), bytes: (1, "B")}


@dataclass
class Tiff:
    """A TIFF of `samples`, (height, width, samples), each of `bits`; `tags` come on top of those that it needs."""

    samples: NDArray[Any]
    photometric: int
    bits: int = 0
    is_planar: bool = False
    big_endian: bool = False
    deflated: bool = False
    tags: dict[int, Any] = field(default_factory=dict)

    def encoded(self) -> bytes:
        """Return the file: a header, the strips, the directory and its values."""
        height, width, count = self.samples.shape
        bits = self.bits or self.samples.dtype.itemsize * 8
        planes = np.moveaxis(self.samples, 2, 0)[..., None] if self.is_planar else [self.samples]
        strips = [self._packed(plane, bits) for plane in planes]
        if self.deflated:
            strips = [zlib.compress(strip) for strip in strips]
        kind = FLOAT if self.samples.dtype.kind == "f" else SIGNED if self.samples.dtype.kind == "i" else UNSIGNED
        offsets = [8 + sum(len(strip) + len(strip) % 2 for strip in strips[:number]) for number in range(len(strips))]
        tags: dict[int, Any] = {
            WIDTH: width,
            HEIGHT: height,
            BITS: (bits,) * count,
            COMPRESSION: 8 if self.deflated else 1,
            PHOTOMETRIC: self.photometric,
            OFFSETS: tuple(offsets),
            SAMPLES: count,
            ROWS: height,
            COUNTS: tuple(len(strip) for strip in strips),
            PLANAR: 2 if self.is_planar else 1,
            FORMAT: (kind,) * count,
        } | self.tags
        body = b"".join(strip + bytes(len(strip) % 2) for strip in strips)
        order = ">" if self.big_endian else "<"
        head = struct.pack(f"{order}2sHI", b"MM" if self.big_endian else b"II", 42, 8 + len(body))
        return head + body + directory(tags, 8 + len(body), order)

    def _packed(self, plane: NDArray[Any], bits: int) -> bytes:
        if bits == plane.dtype.itemsize * 8:
            return plane.astype(plane.dtype.newbyteorder(">" if self.big_endian else "<")).tobytes()
        rows = []
        for row in plane:
            text = "".join(f"{sample:0{bits}b}" for sample in row.ravel())
            text += "0" * (-len(text) % 8)
            rows.append(int(text, 2).to_bytes(len(text) // 8))
        return b"".join(rows)


def directory(tags: dict[int, Any], at: int, order: str = "<") -> bytes:
    """Return a directory that lies at `at`, with the values that do not fit into it behind it."""
    behind = at + 2 + 12 * len(tags) + 4
    entries, values = b"", b""
    for tag, value in sorted(tags.items()):
        if isinstance(value, bytes):
            kind, count, data = 2, len(value), value
        else:
            numbers = value if isinstance(value, tuple) else (value,)
            kind, letter = (4, "I") if tag in {OFFSETS, COUNTS, SUB_DIRECTORIES} else (3, "H")
            count, data = len(numbers), struct.pack(f"{order}{len(numbers)}{letter}", *numbers)
        if len(data) > 4:
            where = behind + len(values)
            values += data + bytes(len(data) % 2)
            data = struct.pack(f"{order}I", where)
        entries += struct.pack(f"{order}HHI", tag, kind, count) + data.ljust(4, b"\0")
    return struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + values
