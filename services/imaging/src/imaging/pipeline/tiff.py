"""TIFF: which ones Pillow reads, which ones `tiff_samples` reads, and what the others are called."""

import struct
import warnings
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Any, cast

from PIL import ExifTags, Image, ImageFile, ImagePalette, TiffImagePlugin
from PIL.TiffImagePlugin import ImageFileDirectory_v2 as Directory

from imaging.errors import UnsupportedFormatError
from imaging.pipeline import tiff_samples
from imaging.pipeline.tiff_samples import Layout

_SUB_DIRECTORIES, _MAKE, _DNG_VERSION = 330, 271, 50706
_SEARCHED = 16  # directories that are searched for a camera's samples
# Samples of a camera's sensor: one colour a pixel, or linear light; and ways to compress them.
_SENSOR = {32803, 34892}
_SENSOR_COMPRESSIONS = {32767, 32769, 32770, 34713, 65000, 65535}
_RAW = {
    "NIKON": "NEF",
    "SONY": "ARW",
    "PENTAX": "PEF",
    "RICOH": "PEF",
    "SAMSUNG": "SRW",
    "CANON": "CR2",
    "KODAK": "DCR",
    "HASSELBLAD": "3FR",
    "LEICA": "RWL",
    "EPSON": "ERF",
    "PHASE ONE": "IIQ",
    "LEAF": "MOS",
}
# The compressions whose strips hold nothing but samples: none, LZW, Deflate in two numbers, PackBits, LZMA, Zstandard.
_OF_SAMPLES = {1, 5, 8, 32946, 32773, 34925, 50000}
_OLD_JPEG, _JPEG, _THUNDERSCAN, _WEBP = 6, 7, 32809, 50001
_NOT_BUILT = {_THUNDERSCAN, _WEBP}
_JPEG_BITS = {8, 12}
_YCBCR = 6
_KINDS = {1: "whole numbers", 2: "signed numbers", 3: "floating point", 4: "an unknown kind", 5: "complex numbers"}
_COLOURS = {
    0: "grey",
    1: "grey",
    2: "RGB",
    3: "a palette",
    4: "a mask",
    5: "inks",
    6: "YCbCr",
    8: "CIELAB",
    9: "ICCLAB",
    10: "ITULAB",
    32844: "LogL",
    32845: "LogLuv",
}
_RAW_TOLD = "The file is raw ({}), which is not taken."
_MOST_BITS = 64
_BYTE = 8
_BIG = 43  # the number of BigTIFF


class TiffPicture(TiffImagePlugin.TiffImageFile):
    """A TIFF by Pillow's plugin, or by `tiff_samples`. Raise `UnsupportedFormatError` when it is opened if by neither.

    `bytes_per_pixel` is the memory that `tiff_samples` takes, None if Pillow reads it.
    """

    bytes_per_pixel: int | None = None
    _layout: Layout | None = None

    def _open(self) -> None:
        file = cast("IO[bytes]", self.fp)  # Pillow opens a picture with a file
        head = file.read(_BYTE)
        file.seek(0)
        if head.startswith(b"MM\0+"):
            raise UnsupportedFormatError("The file is a BigTIFF in big-endian order, which is not supported.")
        super()._open()

    def _setup(self) -> None:
        self._refuse_raw()
        directory = self.tag_v2
        try:
            layout = _layout(directory)
            if _is_unread(directory, layout):
                raise UnsupportedFormatError(_told(directory, layout))
            ours = layout.is_readable() and directory.get(TiffImagePlugin.COMPRESSION, 1) in _OF_SAMPLES
            if not (ours and _misread(layout)):
                try:
                    super()._setup()
                except (KeyError, SyntaxError):
                    if not ours:
                        raise UnsupportedFormatError(_told(directory, layout)) from None
                else:
                    self._mend_palette()
                    return
        except (TypeError, ValueError, IndexError, KeyError) as fault:
            raise SyntaxError("the directory of the TIFF makes no sense") from fault
        self._take(layout)

    def _take(self, layout: Layout) -> None:
        self._layout = layout
        self.bytes_per_pixel = layout.bytes_per_pixel()
        self._tile_size = layout.size
        turned = self.tag_v2.get(ExifTags.Base.Orientation, 1) in {5, 6, 7, 8}
        self._size = layout.size[::-1] if turned else layout.size
        colours = tiff_samples.COLOURS[layout.photometric]
        self._mode = {1: "L", 3: "RGB", 4: "CMYK"}[colours]
        if layout.alpha and layout.photometric != tiff_samples.SEPARATED:
            self._mode = "RGBA"
        if layout.photometric == tiff_samples.CIELAB:
            self._mode = "LAB"
        self.use_load_libtiff = False
        self.tile = [ImageFile._Tile("tiff_samples", (0, 0, *layout.size), 0, ("grey" if colours == 1 else "",))]  # noqa: SLF001
        if TiffImagePlugin.ICCPROFILE in self.tag_v2:
            self.info["icc_profile"] = self.tag_v2[TiffImagePlugin.ICCPROFILE]

    def load(self) -> Any:
        """Load the pixels, once."""
        if self._layout is None or not self.tile:
            return super().load()
        file = cast("IO[bytes]", self.fp)  # there is a file until it is loaded
        file.seek(0)
        picture = tiff_samples.read(file.read(), self.tag_v2, self._layout)
        self.im = picture.im
        self.tile = []
        self.load_end()
        return Image.Image.load(self)

    def _mend_palette(self) -> None:
        """Take a colour map of eight bits as it is; by the standard it has sixteen, of which Pillow keeps the upper."""
        if self.mode in {"P", "PA"}:
            colours = self.tag_v2[TiffImagePlugin.COLORMAP]
            if max(colours) < 2**_BYTE:
                self.palette = ImagePalette.raw("RGB;L", bytes(colours))

    def _refuse_raw(self) -> None:
        """Raise `UnsupportedFormatError` if the file holds the samples of a camera's sensor, whatever else it holds."""
        make = self.tag_v2.get(_MAKE, "")
        maker = str(make).upper()
        file = cast("IO[bytes]", self.fp)  # Pillow opens a picture with a file
        file.seek(0)
        if file.read(16)[8:10] == b"CR":
            raise UnsupportedFormatError(_RAW_TOLD.format("CR2"))
        with (
            warnings.catch_warnings(),
            suppress(struct.error, TypeError, ValueError, IndexError, KeyError, EOFError, OSError, SyntaxError),
        ):
            warnings.simplefilter("ignore")  # of what is broken in directories that are not shown
            for directory in self._directories():
                name = "DNG" if _DNG_VERSION in directory else None
                if name is None and _is_of_a_sensor(directory):
                    name = next((raw for begins, raw in _RAW.items() if begins in maker), "of a camera")
                if name is not None:
                    raise UnsupportedFormatError(_RAW_TOLD.format(name))

    def _directories(self) -> Iterator[Directory]:
        """Yield the first directory, those within it, and those that follow, up to some."""
        file = cast("IO[bytes]", self.fp)  # Pillow opens a picture with a file
        file.seek(0)
        head = file.read(_BYTE)
        head += file.read(_BYTE) if _BIG in head[2:4] else b""
        yield self.tag_v2
        within = self.tag_v2.get(_SUB_DIRECTORIES, ())
        waiting = [*((within,) if isinstance(within, int) else within), self.tag_v2.next]
        for _ in range(_SEARCHED):
            if not waiting:
                return
            offset = waiting.pop(0)
            if not isinstance(offset, int) or offset <= 0:
                continue
            file.seek(offset)
            directory = Directory(head)
            directory.load(file)
            yield directory
            waiting.append(directory.next)


def _is_of_a_sensor(directory: Directory) -> bool:
    return (
        directory.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) in _SENSOR
        or directory.get(TiffImagePlugin.COMPRESSION) in _SENSOR_COMPRESSIONS
    )


def _layout(directory: Directory) -> Layout:
    """Return how samples are stored by `directory`. Raise what a broken directory raises."""
    size = directory[TiffImagePlugin.IMAGEWIDTH], directory[TiffImagePlugin.IMAGELENGTH]
    bits = directory.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
    samples = directory.get(TiffImagePlugin.SAMPLESPERPIXEL, 1)
    kinds = directory.get(TiffImagePlugin.SAMPLEFORMAT, (tiff_samples.UNSIGNED,))
    extra = directory.get(TiffImagePlugin.EXTRASAMPLES, ())
    if not 0 < max(bits) <= _MOST_BITS or not all(isinstance(side, int) and side > 0 for side in (*size, samples)):
        raise ValueError("a picture without samples")
    photometric = directory.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION, tiff_samples.WHITE_IS_ZERO)
    has_alpha = samples > tiff_samples.COLOURS.get(photometric, samples) and extra
    alike = len({*bits[:samples]}) == 1 and len({*kinds[:samples]}) == 1
    return Layout(
        size=size,
        photometric=photometric,
        kind=kinds[0] if alike else 0,
        bits=max(bits),
        samples=samples,
        alpha=extra[0] if has_alpha and extra[0] in {tiff_samples.ASSOCIATED, tiff_samples.UNASSOCIATED} else 0,
        predictor=directory.get(TiffImagePlugin.PREDICTOR, tiff_samples.NO_PREDICTOR),
        is_planar=directory.get(TiffImagePlugin.PLANAR_CONFIGURATION, 1) == 2 and samples > 1,  # noqa: PLR2004
        tile_width=directory.get(TiffImagePlugin.TILEWIDTH, size[0]),
        big_endian=directory.prefix == b"MM",
    )


def _is_unread(directory: Directory, layout: Layout) -> bool:
    """Return whether Pillow tries to read `layout` and fails: what its libtiff or libjpeg lacks."""
    compression = directory.get(TiffImagePlugin.COMPRESSION, 1)
    is_subsampled = directory.get(TiffImagePlugin.YCBCRSUBSAMPLING, (2, 2)) != (1, 1)
    return (
        compression in _NOT_BUILT
        or (compression == _JPEG and layout.bits not in _JPEG_BITS)
        or (compression == _OLD_JPEG and layout.photometric not in {tiff_samples.RGB, _YCBCR})
        or (layout.photometric == _YCBCR and layout.is_planar and is_subsampled)
    )


def _misread(layout: Layout) -> bool:
    """Return whether Pillow would take `layout` for another: signed for unsigned, or grey with alpha in most forms."""
    is_grey = layout.photometric in {tiff_samples.WHITE_IS_ZERO, tiff_samples.BLACK_IS_ZERO}
    has_odd_alpha = layout.alpha == tiff_samples.ASSOCIATED or (layout.alpha and layout.is_planar)
    return layout.kind == tiff_samples.SIGNED or bool(is_grey and has_odd_alpha)


def _told(directory: Directory, layout: Layout) -> str:
    """Return a sentence that says what the TIFF stores."""
    compression = directory.get(TiffImagePlugin.COMPRESSION, 1)
    if compression not in TiffImagePlugin.COMPRESSION_INFO:
        return f"The TIFF is compressed in a way (number {compression}) that is not supported."
    name = TiffImagePlugin.COMPRESSION_INFO[compression]
    colours = _COLOURS.get(layout.photometric, f"colours of an unknown kind (number {layout.photometric})")
    kind = _KINDS.get(layout.kind, "an unknown kind")
    return (
        f"The TIFF has {layout.samples} samples a pixel of {layout.bits} bits ({colours}, {kind}, "
        f"{'in planes, ' if layout.is_planar else ''}compression {name}), which is not supported."
    )


def register() -> None:
    """Have Pillow open a TIFF by this module."""
    # Pillow's own reading of uncompressed files takes planes of sixteen bits for planes of eight, and subsampled YCbCr
    # for full; libtiff reads both.
    TiffImagePlugin.READ_LIBTIFF = True
    Image.register_open(TiffPicture.format, TiffPicture, Image.OPEN["TIFF"][1])
