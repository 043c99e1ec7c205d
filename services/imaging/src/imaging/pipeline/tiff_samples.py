"""The samples of a TIFF whose depth or kind Pillow does not read: unpacked by libtiff, interpreted here.

libtiff is told of a grey picture of bytes, each row as wide as a row of the real one has bytes: it then undoes the
compression alone. What remains are predictors (TIFF 6.0, section 14; Adobe's Technical Note 3) and bits.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin
from PIL.TiffImagePlugin import ImageFileDirectory_v2 as Directory

UNSIGNED, SIGNED, FLOAT = 1, 2, 3
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, SEPARATED, CIELAB = 0, 1, 2, 5, 8
# How many samples of a pixel are its colour.
COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, SEPARATED: 4, CIELAB: 3}
ASSOCIATED, UNASSOCIATED = 1, 2  # alpha by which the colours are multiplied already, or not
NO_PREDICTOR, DIFFERENCES, FLOAT_DIFFERENCES = 1, 2, 3
_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_WHOLE = {8, 16, 32, 64}  # depths of which numpy has integers
_FLOATS = {16, 32, 64}
_MOST_ODD = 31
_BYTE, _MOST = 8, 255
_BIG = 43  # the number of BigTIFF, in which places have 64 bits
_BLOCK = 2**19  # samples that are interpreted at a time
_LAYOUT_TAGS = (
    TiffImagePlugin.COMPRESSION,
    TiffImagePlugin.FILLORDER,
    TiffImagePlugin.ROWSPERSTRIP,
    TiffImagePlugin.TILELENGTH,
)
_PARTS = (
    TiffImagePlugin.STRIPOFFSETS,
    TiffImagePlugin.STRIPBYTECOUNTS,
    TiffImagePlugin.TILEOFFSETS,
    TiffImagePlugin.TILEBYTECOUNTS,
)


@dataclass(frozen=True)
class Layout:
    """How a TIFF stores its samples: `samples` a pixel, of which `alpha`, ASSOCIATED or UNASSOCIATED, may be one."""

    size: tuple[int, int]
    photometric: int
    kind: int
    bits: int
    samples: int
    alpha: int
    predictor: int
    is_planar: bool
    tile_width: int
    big_endian: bool

    def is_readable(self) -> bool:
        """Return whether `read` reads it."""
        whole = self.bits in _WHOLE or (self.predictor == NO_PREDICTOR and 0 < self.bits <= _MOST_ODD)
        kinds = {UNSIGNED: whole, SIGNED: self.bits in _WHOLE, FLOAT: self.bits in _FLOATS}
        predictors = {NO_PREDICTOR: True, DIFFERENCES: True, FLOAT_DIFFERENCES: self.kind == FLOAT}
        return (
            self.samples >= COLOURS.get(self.photometric, self.samples + 1)
            and kinds.get(self.kind, False)
            and predictors.get(self.predictor, False)
            and not (self.photometric == CIELAB and (self.kind == FLOAT or self.bits < _BYTE))
        )

    def bytes_per_pixel(self) -> int:
        """Return the most memory in bytes that reading takes for each pixel."""
        stored = -(-self.samples * self.bits // _BYTE)
        return 2 * stored + 6 * self.samples + 4


def read(data: bytes, directory: Directory, layout: Layout) -> Image.Image:
    """Return the picture of `data` that `directory` describes as L, RGB, RGBA, CMYK or LAB, not turned upright.

    Inks with alpha are laid on white paper. Raise what decoders raise if the picture is broken.
    """
    planes = _kept(layout) if layout.is_planar else 1
    rows = [_rows(data, directory, layout, plane) for plane in range(planes)]
    low, high = _range(rows, layout) if layout.kind == FLOAT else (0.0, 1.0)
    pixels = np.empty((layout.size[1], layout.size[0], _kept(layout)), np.uint8)
    for top, samples in _blocks(rows, layout):
        pixels[top : top + len(samples)] = _to_bytes(samples, layout, low, high)
    del rows
    return _picture(pixels, layout)


def _kept(layout: Layout) -> int:
    return COLOURS[layout.photometric] + (1 if layout.alpha else 0)


def _rows(data: bytes, directory: Directory, layout: Layout, plane: int) -> NDArray[np.uint8]:
    """Return the bytes of one plane, or of all samples if they are not in planes: (rows, tiles across, bytes)."""
    width, height = layout.size
    samples = 1 if layout.is_planar else layout.samples
    across = -(-width // layout.tile_width)
    tile_bytes = -(-layout.tile_width * samples * layout.bits // _BYTE)
    told: dict[int, tuple[int, ...]] = {tag: (directory[tag],) for tag in _LAYOUT_TAGS if tag in directory}
    planes = layout.samples if layout.is_planar else 1
    for tag in _PARTS:
        parts = directory.get(tag, ())
        each = len(parts) // planes
        if each:  # libtiff guesses how many bytes a strip has if that is not told for each
            told[tag] = tuple(parts[plane * each : (plane + 1) * each])
    if TiffImagePlugin.TILEWIDTH in directory:
        told[TiffImagePlugin.TILEWIDTH] = (tile_bytes,)
    told[TiffImagePlugin.IMAGEWIDTH], told[TiffImagePlugin.IMAGELENGTH] = (across * tile_bytes,), (height,)
    told[TiffImagePlugin.BITSPERSAMPLE], told[TiffImagePlugin.SAMPLESPERPIXEL] = (_BYTE,), (1,)
    told[TiffImagePlugin.PHOTOMETRIC_INTERPRETATION] = (BLACK_IS_ZERO,)
    with TiffImagePlugin.TiffImageFile(io.BytesIO(_with_directory(data, told))) as grey:
        return np.asarray(grey).reshape(height, across, tile_bytes)


def _with_directory(data: bytes, tags: dict[int, tuple[int, ...]]) -> bytes:
    """Return `data`, a TIFF, with a directory of `tags` behind it as its first."""
    order = "<" if data[:2] == b"II" else ">"
    is_big = _BIG in data[2:4]
    place, size, long = ("Q", 8, 16) if is_big else ("I", 4, 4)  # the format of a place, its size, and a type so large
    at = len(data) + len(data) % 2
    values_at = at + (8 if is_big else 2) + len(tags) * (4 + 2 * size) + size
    entries, values = b"", b""
    for tag, numbers in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(numbers)}{place}", *numbers)
        if len(packed) > size:
            values += packed
            packed = struct.pack(f"{order}{place}", values_at + len(values) - len(packed))
        entries += struct.pack(f"{order}HH{place}", tag, long, len(numbers)) + packed
    head = data[: 8 if is_big else 4] + struct.pack(f"{order}{place}", at)
    count = struct.pack(f"{order}{'Q' if is_big else 'H'}", len(tags))
    return b"".join((head, memoryview(data)[len(head) :], bytes(at - len(data)), count, entries, bytes(size), values))


def _blocks(rows: list[NDArray[np.uint8]], layout: Layout) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the number of the first row, and the samples as (rows, width, samples), block by block."""
    step = max(1, _BLOCK // (layout.size[0] * layout.samples))
    for top in range(0, layout.size[1], step):
        planes = [_samples(plane[top : top + step], layout) for plane in rows]
        yield top, np.concatenate(planes, axis=2) if len(planes) > 1 else planes[0]


def _samples(rows: NDArray[np.uint8], layout: Layout) -> NDArray[Any]:
    """Return the samples in `rows`, (rows, tiles across, bytes), as (rows, width, samples)."""
    each = 1 if layout.is_planar else layout.samples
    across = rows.shape[1]
    shape = (len(rows), across, layout.tile_width, each)
    order = ">" if layout.big_endian else "<"
    size = layout.bits // _BYTE
    if layout.predictor == FLOAT_DIFFERENCES:
        # The bytes of a row are sorted by their weight, the highest first, and stored as differences.
        summed = np.cumsum(rows.reshape(len(rows), across, -1, each), axis=2, dtype=np.uint8)
        weights = summed.reshape(len(rows), across, size, -1)
        values = np.ascontiguousarray(weights.swapaxes(2, 3)).view(f">f{size}").reshape(shape)
    elif layout.bits in _WHOLE:
        values = rows.view(f"{order}u{size}").reshape(shape)
        if layout.predictor == DIFFERENCES:
            values = np.cumsum(values, axis=2, dtype=f"u{size}")
        if layout.kind == FLOAT:
            values = values.view(values.dtype.str.replace("u", "f"))
    else:
        count = layout.tile_width * each
        bits = np.unpackbits(rows, axis=2, count=count * layout.bits).reshape(*shape, layout.bits)
        values = bits @ (1 << np.arange(layout.bits - 1, -1, -1, dtype=np.uint32))
    return values.reshape(len(rows), -1, each)[:, : layout.size[0]]


def _range(rows: list[NDArray[np.uint8]], layout: Layout) -> tuple[float, float]:
    """Return what is black and what is white in a picture of floating point: 0 and 1, or its own wider range."""
    low, high = 0.0, 1.0
    for _, samples in _blocks(rows, layout):
        known = np.nan_to_num(samples[:, :, : COLOURS[layout.photometric]].astype(np.float64))
        low, high = min(low, float(np.min(known))), max(high, float(np.max(known)))
    return low, high


def _to_bytes(samples: NDArray[Any], layout: Layout, low: float, high: float) -> NDArray[np.uint8]:
    """Return `samples` without those that are neither colour nor alpha, in eight bits as they are stored."""
    samples = samples[:, :, : _kept(layout)]
    if layout.kind == FLOAT:
        scaled = (np.nan_to_num(samples.astype(np.float64)) - low) * (_MOST / (high - low))
        return np.clip(scaled, 0, _MOST).astype(np.uint8)
    if layout.kind == SIGNED and layout.photometric != CIELAB:
        samples = samples ^ samples.dtype.type(1 << (layout.bits - 1))  # from the lowest to the highest
    if layout.bits >= _BYTE:
        return (samples >> (layout.bits - _BYTE)).astype(np.uint8)
    return (samples * _MOST // ((1 << layout.bits) - 1)).astype(np.uint8)


def _picture(pixels: NDArray[np.uint8], layout: Layout) -> Image.Image:
    colours = COLOURS[layout.photometric]
    size = layout.size
    if layout.photometric == WHITE_IS_ZERO:
        pixels[:, :, 0] = _MOST - pixels[:, :, 0]
    if layout.photometric == CIELAB:
        return Image.frombytes("LAB", size, np.ascontiguousarray(pixels[:, :, :3]).tobytes())
    if not layout.alpha:
        return Image.frombytes(_MODES[colours], size, pixels.tobytes())
    if layout.photometric == SEPARATED:
        inks = pixels[:, :, :4]
        if layout.alpha == UNASSOCIATED:
            inks = (inks.astype(np.uint16) * pixels[:, :, 4:] // _MOST).astype(np.uint8)
        return Image.frombytes("CMYK", size, inks.tobytes())
    if colours == 1:
        pixels = pixels[:, :, [0, 0, 0, 1]]
    return Image.frombytes("RGBA", size, pixels.tobytes(), "raw", "RGBa" if layout.alpha == ASSOCIATED else "RGBA")
