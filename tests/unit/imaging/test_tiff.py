"""TIFFs: each is shown as it is meant, or refused in a sentence that says what it has."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tiffs
from colour_maths import lab_in_srgb
from imaging.domain import Limits, Rendering
from imaging.errors import MalformedError, TooLargeError, UnsupportedFormatError
from imaging.pipeline import render
from pictures import decoded
from tiffs import Tiff

LIMITS = Limits(64 * 1024 * 1024, 64_000_000, 30_000, 1024**3, ("TIFF",))
SIDE = 32
LEFT, RIGHT = (0.8, 0.4, 0.2), (0.0, 1.0, 0.6)


def rendered(data: bytes) -> Rendering:
    return render(data, LIMITS, (SIDE,))


def halves(data: bytes) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the RGBA pixels in the middle of the left and of the right half of the thumb."""
    thumb = np.asarray(decoded(rendered(data).thumbs[0].data).convert("RGBA")).astype(int)
    return thumb[SIDE // 2, SIDE // 4], thumb[SIDE // 2, 3 * SIDE // 4]


def halved(left: tuple[float, ...], right: tuple[float, ...], dtype: str, most: float) -> NDArray[Any]:
    """Return samples of two colours, whose samples from 0 to 1 are stored as 0 to `most`."""
    samples = np.empty((SIDE, SIDE, len(left)), dtype)
    samples[:, : SIDE // 2] = np.round(np.array(left) * most, 0 if np.dtype(dtype).kind != "f" else 6)
    samples[:, SIDE // 2 :] = np.round(np.array(right) * most, 0 if np.dtype(dtype).kind != "f" else 6)
    return samples


def close(pixel: NDArray[Any], expected: tuple[float, ...], tolerance: int = 6) -> bool:
    return bool(np.abs(pixel[: len(expected)] - np.array(expected) * 255).max() <= tolerance)


KINDS = {
    "f2": ("f2", 1.0, 0),
    "f4": ("f4", 1.0, 0),
    "f8": ("f8", 1.0, 0),
    "u4": ("u4", 2**32 - 1, 0),
    "u8": ("u8", 2**64 - 2**12, 0),
    **{f"{bits} bits": ("u4", 2**bits - 1, bits) for bits in (2, 3, 4, 5, 7, 10, 12, 14, 24)},
}


@pytest.mark.parametrize("is_planar", [False, True], ids=["pixels", "planes"])
@pytest.mark.parametrize("kind", KINDS)
def test_colours_of_every_depth_are_right(kind: str, is_planar: bool) -> None:
    dtype, most, bits = KINDS[kind]
    left, right = halves(Tiff(halved(LEFT, RIGHT, dtype, most), tiffs.RGB, bits, is_planar).encoded())
    tolerance = 45 if bits == 2 else 20 if bits in {3, 4} else 6
    assert close(left, LEFT, tolerance)
    assert close(right, RIGHT, tolerance)


@pytest.mark.parametrize("kind", ["f2", "f4", "u4", "10 bits"])
@pytest.mark.parametrize("big_endian", [False, True])
def test_order_of_bytes_and_compression_change_nothing(kind: str, big_endian: bool) -> None:
    dtype, most, bits = KINDS[kind]
    made = Tiff(halved(LEFT, RIGHT, dtype, most), tiffs.RGB, bits, big_endian=big_endian, deflated=True)
    left, right = halves(made.encoded())
    assert close(left, LEFT)
    assert close(right, RIGHT)


@pytest.mark.parametrize("is_planar", [False, True], ids=["pixels", "planes"])
def test_sixteen_bits_are_right_without_compression_too(is_planar: bool) -> None:
    left, right = halves(Tiff(halved(LEFT, RIGHT, "u2", 65_535), tiffs.RGB, is_planar=is_planar).encoded())
    assert close(left, LEFT)
    assert close(right, RIGHT)


@pytest.mark.parametrize("dtype", ["u4", "f2", "f4"])
def test_differences_between_neighbours_are_summed(dtype: str) -> None:
    samples = halved(LEFT, RIGHT, dtype, 2**32 - 1 if dtype == "u4" else 1)
    raw = samples.view(f"u{samples.dtype.itemsize}")
    differences = np.diff(raw, axis=1, prepend=np.zeros_like(raw[:, :1])).view(dtype)
    left, right = halves(Tiff(differences, tiffs.RGB, deflated=True, tags={tiffs.PREDICTOR: 2}).encoded())
    assert close(left, LEFT)
    assert close(right, RIGHT)


def test_differences_of_floating_point_are_summed() -> None:
    samples = halved(LEFT, RIGHT, "f4", 1)
    sorted_by_weight = np.moveaxis(samples.astype(">f4").view("u1").reshape(SIDE, SIDE * 3, 4), 2, 1).reshape(
        SIDE, -1, 3
    )
    differences = np.diff(sorted_by_weight, axis=1, prepend=np.zeros_like(sorted_by_weight[:, :1]))
    data = np.ascontiguousarray(differences).reshape(SIDE, -1).view("<f4").reshape(SIDE, SIDE, 3)
    left, right = halves(Tiff(data, tiffs.RGB, deflated=True, tags={tiffs.PREDICTOR: 3}).encoded())
    assert close(left, LEFT)
    assert close(right, RIGHT)


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4"])
def test_signed_grey_runs_from_black_at_the_lowest_number_to_white_at_the_highest(dtype: str) -> None:
    lowest, highest = np.iinfo(dtype).min, np.iinfo(dtype).max
    samples = np.full((SIDE, SIDE, 1), lowest, dtype)
    samples[:, SIDE // 2 :] = highest
    left, right = halves(Tiff(samples, tiffs.GREY).encoded())
    assert close(left, (0.0,))
    assert close(right, (1.0,))


@pytest.mark.parametrize("extra", [1, 2], ids=["associated", "unassociated"])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("is_planar", [False, True], ids=["pixels", "planes"])
def test_grey_with_alpha_keeps_both(dtype: str, extra: int, is_planar: bool) -> None:
    grey = 0.6 * (0.5 if extra == 1 else 1)
    samples = halved((grey, 0.5), (0.0, 0.0), dtype, np.iinfo(dtype).max)
    left, right = halves(Tiff(samples, tiffs.GREY, is_planar=is_planar, tags={tiffs.EXTRA: (extra,)}).encoded())
    assert close(left, (0.6, 0.6, 0.6, 0.5))
    assert right[3] == 0


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_inks_with_alpha_are_laid_on_white_paper(dtype: str) -> None:
    samples = halved((0, 1, 1, 0, 1), (0, 1, 1, 0, 0), dtype, np.iinfo(dtype).max)
    left, right = halves(Tiff(samples, tiffs.INKS, tags={tiffs.EXTRA: (2,)}).encoded())
    assert close(left, (1, 0, 0))
    assert close(right, (1, 1, 1))


def test_lab_of_sixteen_bits_is_lab() -> None:
    samples = np.empty((SIDE, SIDE, 3), "u2")
    samples[:] = (0.6 * 65_535, 40 * 256, (-20 * 256) % 65_536)
    left, _ = halves(Tiff(samples, tiffs.LAB).encoded())
    assert np.abs(left[:3] - lab_in_srgb((60, 40, -20))).max() <= 4


@pytest.mark.parametrize("scale", [1, 257], ids=["eight bits", "sixteen bits"])
def test_palette_is_right_whatever_the_depth_of_its_colours(scale: int) -> None:
    colours = np.zeros((3, 256), int)
    colours[:, 7] = (200, 100, 50)
    samples = np.full((SIDE, SIDE, 1), 7, "u1")
    table = tuple(int(colour) * scale for colour in colours.ravel())
    left, _ = halves(Tiff(samples, tiffs.PALETTE, tags={tiffs.COLOUR_MAP: table}).encoded())
    assert close(left, (200 / 255, 100 / 255, 50 / 255))


def test_chroma_of_every_second_pixel_is_spread() -> None:
    """Without compression: for each two pixels their two lightnesses, then one pair of chroma."""
    units = np.empty((SIDE, SIDE // 2, 4), "u1")
    units[:] = (150, 150, 100, 170)
    tags: dict[int, Any] = {
        tiffs.WIDTH: SIDE,
        tiffs.SAMPLES: 3,
        tiffs.BITS: (8, 8, 8),
        tiffs.FORMAT: (1, 1, 1),
        530: (2, 1),
    }
    left, _ = halves(Tiff(units, tiffs.YCBCR, tags=tags).encoded())
    expected = (150 + 1.402 * 42, 150 - 0.344 * -28 - 0.714 * 42, 150 + 1.772 * -28)
    assert close(left, tuple(sample / 255 for sample in expected), 8)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({tiffs.COMPRESSION: 34_712}, "number 34712"),
        ({tiffs.PHOTOMETRIC: 32_845}, "LogLuv"),
        ({tiffs.FORMAT: (5, 5, 5)}, "complex"),
        ({tiffs.BITS: (16, 8, 8)}, "16 bits"),
        ({tiffs.COMPRESSION: 50_001}, "webp"),
        ({tiffs.COMPRESSION: 7}, "16 bits .*jpeg"),
        ({tiffs.PHOTOMETRIC: tiffs.YCBCR, tiffs.PLANAR: 2, tiffs.SUBSAMPLING: (2, 2)}, "YCbCr.* in planes"),
    ],
)
def test_what_is_not_read_is_named(change: dict[int, Any], told: str) -> None:
    with pytest.raises(UnsupportedFormatError, match=told):
        rendered(Tiff(np.zeros((SIDE, SIDE, 3), "u2"), tiffs.RGB, tags=change).encoded())


def test_plane_that_is_no_colour_may_be_missing() -> None:
    samples = np.full((SIDE, SIDE, 2), -128, "i1")
    samples[:, SIDE // 2 :] = 127
    made = Tiff(samples, tiffs.GREY, is_planar=True, tags={tiffs.EXTRA: (0,), tiffs.COUNTS: (SIDE * SIDE, 0)})
    left, right = halves(made.encoded())
    assert close(left, (0.0,))
    assert close(right, (1.0,))


def test_bigtiff_in_big_endian_order_is_named() -> None:
    with pytest.raises(UnsupportedFormatError, match="BigTIFF"):
        rendered(b"MM\0+\0\x08\0\0" + (16).to_bytes(8) + bytes(64))


def raw(make: bytes) -> bytes:
    """Return a preview with the samples of a sensor in a directory of its own, as cameras write it."""
    preview = Tiff(np.zeros((8, 8, 3), "u1"), tiffs.RGB, tags={tiffs.MAKE: make, tiffs.SUB_DIRECTORIES: 0})
    at = len(preview.encoded())
    preview.tags[tiffs.SUB_DIRECTORIES] = at
    sensor: dict[int, Any] = {tiffs.WIDTH: 8, tiffs.HEIGHT: 8, tiffs.PHOTOMETRIC: tiffs.SENSOR, tiffs.BITS: 14}
    return preview.encoded() + tiffs.directory(sensor, at)


@pytest.mark.parametrize(
    ("make", "name"),
    [(b"NIKON CORPORATION\0", "NEF"), (b"SONY\0", "ARW"), (b"PENTAX\0", "PEF"), (b"Canon\0", "CR2"), (b"Foo\0", "raw")],
)
def test_raw_file_is_named_and_never_taken_for_its_preview(make: bytes, name: str) -> None:
    with pytest.raises(UnsupportedFormatError, match=name):
        rendered(raw(make))


def test_dng_is_named() -> None:
    preview = Tiff(np.zeros((8, 8, 3), "u1"), tiffs.RGB, tags={tiffs.DNG_VERSION: b"\1\4\0\0"})
    with pytest.raises(UnsupportedFormatError, match="DNG"):
        rendered(preview.encoded())


def test_directory_within_that_leads_back_or_nowhere_is_no_raw_file() -> None:
    for at in (8, 2**31):
        made = Tiff(np.zeros((8, 8, 3), "u1"), tiffs.RGB, tags={tiffs.SUB_DIRECTORIES: at})
        assert rendered(made.encoded()).width == 8


def test_broken_strips_of_odd_samples_are_malformed() -> None:
    whole = Tiff(halved(LEFT, RIGHT, "f4", 1), tiffs.RGB, deflated=True)
    data = bytearray(whole.encoded())
    data[20:40] = bytes(20)
    with pytest.raises(MalformedError):
        rendered(bytes(data))


def test_memory_for_samples_of_many_bytes_is_counted() -> None:
    """Ten million pixels of three numbers of eight bytes: half a gigabyte before anything is made of them."""
    tags: dict[int, Any] = {tiffs.WIDTH: 5000, tiffs.HEIGHT: 5000}
    with pytest.raises(TooLargeError, match="memory"):
        rendered(Tiff(np.zeros((8, 8, 3), "f8"), tiffs.RGB, tags=tags).encoded())
