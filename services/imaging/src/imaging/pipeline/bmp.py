"""BMP: what Pillow refuses or misreads: samples by unusual masks, with alpha by them, runs of colours, and profiles."""

from typing import IO, cast

import numpy as np
from numpy.typing import NDArray
from PIL import BmpImagePlugin, Image, ImageFile

from imaging.errors import UnsupportedFormatError

_PLAIN, _RLE8, _RLE4, _MASKED, _MASKED_WITH_ALPHA = 0, 1, 2, 3, 6
_KNOWN = {_PLAIN, _RLE8, _RLE4, _MASKED, _MASKED_WITH_ALPHA}
_EMBEDDED = {4: "JPEG", 5: "PNG"}
_HEADERS = {12, 40, 52, 56, 64, 108, 124}  # sizes of those that are known
_INFO_HEADER = 40  # bytes of the header that all later ones of Windows extend
_OS2_HEADER = 64  # bytes of a header of OS/2, which numbers compressions otherwise
_ALPHA_AT = 52  # headers with more bytes have a mask for alpha among them
_DEPTHS = {16: "<u2", 32: "<u4"}
_RARE_DEPTHS = {2, 64}
_LAST_HEADER = 124  # bytes of the one that can tell where a profile is
_HAS_PROFILE, _SPACE_AT, _PROFILE_AT = b"DEBM", 56, 112  # "MBED", as a number
_MOST_COLOURS = 256
_BLOCK = 2**20  # pixels that are unmasked at a time


class BmpPicture(BmpImagePlugin.BmpImageFile):
    """A BMP by Pillow's plugin; one with masks by a decoder of our own, which takes all masks alike."""

    def _bitmap(self, header: int = 0, offset: int = 0) -> None:
        file = cast("IO[bytes]", self.fp)  # Pillow opens a picture with a file
        at = header or file.tell()
        info = file.read(_LAST_HEADER)
        profile = _profile(file, at, info)
        if profile:
            self.info["icc_profile"] = profile
        file.seek(at)
        size, compression = _int(info, 0), _int(info, 16) if _int(info, 0) >= _INFO_HEADER else _PLAIN
        bits = int.from_bytes(info[14:16] if size >= _INFO_HEADER else info[10:12], "little")
        if size in _HEADERS and len(info) >= min(size, _INFO_HEADER):
            _refuse_unknown(size, bits, compression)
        has_alpha = compression == _MASKED_WITH_ALPHA or size > _ALPHA_AT
        masks = tuple(_int(info, _INFO_HEADER + 4 * channel) for channel in range(4 if has_alpha else 3))
        if compression in {_MASKED, _MASKED_WITH_ALPHA} and bits in _DEPTHS and any(masks):
            width, height = _int(info, 4), int.from_bytes(info[8:12], "little", signed=True)
            self._size = width, abs(height)
            self._mode = "RGBA" if has_alpha and masks[3] else "RGB"
            arguments = ("", bits, masks, height > 0)
            self.tile = [ImageFile._Tile("bmp_masks", (0, 0, *self._size), offset, arguments)]  # noqa: SLF001
            return
        super()._bitmap(header, offset)
        if self.palette is not None and self.palette.rawmode:
            entry = len(self.palette.rawmode)  # BGR or BGRX; more colours than a pixel can name are of no use
            self.palette.palette = self.palette.palette[: _MOST_COLOURS * entry]


def _profile(file: IO[bytes], at: int, info: bytes) -> bytes:
    """Return the profile that `file` holds by its header `info`, which begins at `at`; nothing if there is none."""
    if _int(info, 0) != _LAST_HEADER or info[_SPACE_AT : _SPACE_AT + 4] != _HAS_PROFILE:
        return b""
    file.seek(at + _int(info, _PROFILE_AT))
    return file.read(_int(info, _PROFILE_AT + 4))


def _refuse_unknown(size: int, bits: int, compression: int) -> None:
    """Raise `UnsupportedFormatError` if the header of `size` bytes tells of something that is not read."""
    if size != _OS2_HEADER and compression in _EMBEDDED:
        raise UnsupportedFormatError(f"The BMP holds a picture of another format ({_EMBEDDED[compression]}).")
    if compression not in _KNOWN or (size == _OS2_HEADER and compression > _RLE4):
        raise UnsupportedFormatError(f"The BMP is compressed in a way (number {compression}) that is not supported.")
    if bits in _RARE_DEPTHS:
        raise UnsupportedFormatError(f"The BMP has pixels of {bits} bits, which are not supported.")


def _int(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


class _Masks(ImageFile.PyDecoder):
    """Pixels of 16 or 32 bits, of which a mask says which bits are red, green, blue and alpha."""

    _pulls_fd = True

    def decode(self, buffer: Image.DecoderInput) -> tuple[int, int]:  # noqa: ARG002 - it reads by itself
        file = cast("IO[bytes]", self.fd)  # Pillow gives one to decoders that pull
        _, bits, masks, upwards = self.args
        width, height = self.state.xsize, self.state.ysize
        row_bytes = (width * bits // 8 + 3) // 4 * 4
        data = ImageFile._safe_read(file, row_bytes * height)  # noqa: SLF001 - raises what Pillow's decoders raise
        rows = np.frombuffer(data, np.uint8).reshape(height, row_bytes)[:, : width * bits // 8].view(_DEPTHS[bits])
        pixels = np.empty((height, width, len(self.mode)), np.uint8)
        step = max(1, _BLOCK // width)
        for top in range(0, height, step):
            for channel, mask in enumerate(masks[: len(self.mode)]):
                pixels[top : top + step, :, channel] = _unmasked(rows[top : top + step], mask)
        if self.mode == "RGBA" and not pixels[:, :, 3].any():
            pixels[:, :, 3] = 255  # programs that know of no alpha leave 0 in it; browsers show such a picture
        self.set_as_raw(pixels.tobytes(), self.mode, (0, -1 if upwards else 1))
        return -1, 0


def _unmasked(values: NDArray[np.uint16 | np.uint32], mask: int) -> NDArray[np.uint8]:
    """Return the bits of `values` that `mask` names, spread over 0…255."""
    if not mask:
        return np.zeros(values.shape, np.uint8)
    lowest = (mask & -mask).bit_length() - 1
    most = mask >> lowest
    samples = (values & mask) >> lowest
    # In floating point, since a sample may have all 32 bits. A mask with holes counts them as bits.
    spread: NDArray[np.uint8] = (samples * (255.0 / most) + 0.5).astype(np.uint8)
    return spread


class _Runs(ImageFile.PyDecoder):
    """Run-length encoding. Pillow aligns literal pixels by the file, but they are aligned by the pixel data.

    Pixels that no run covers have colour 0, as in Pillow.
    """

    _pulls_fd = True

    def decode(self, buffer: Image.DecoderInput) -> tuple[int, int]:  # noqa: ARG002 - it reads by itself
        is_rle4 = self.args[1]
        file = cast("IO[bytes]", self.fd)  # Pillow gives one to decoders that pull
        width, height = self.state.xsize, self.state.ysize
        pixels = bytearray(width * height)
        _unrun(file.read(), pixels, width, is_rle4=is_rle4)
        self.set_as_raw(bytes(pixels), "P" if self.mode == "P" else "L", (0, self.args[-1]))
        return -1, 0


def _unrun(data: bytes, pixels: bytearray, width: int, *, is_rle4: bool) -> None:
    """Write the runs in `data` to `pixels`, whose rows have `width`. Raise `EOFError` if `data` ends before they do."""
    at, x, row = 0, 0, 0
    height = len(pixels) // width
    while row < height:
        if at + 2 > len(data):
            raise EOFError("the runs end before the picture does")
        count, value = data[at], data[at + 1]
        at += 2
        literal = None
        if count:
            literal = bytes((value >> 4, value & 15)) * (count // 2 + 1) if is_rle4 else bytes((value,)) * count
        elif value == 0:
            x, row = 0, row + 1
        elif value == 1:
            return
        elif value == 2:  # noqa: PLR2004 - the format's code for a move to the right and up
            x, row = x + int.from_bytes(data[at : at + 1]), row + int.from_bytes(data[at + 1 : at + 2])
            at += 2
        else:
            count = value
            taken = data[at : at + ((count + 1) // 2 if is_rle4 else count)]
            at += (len(taken) + 1) // 2 * 2
            literal = bytes(half for byte in taken for half in (byte >> 4, byte & 15)) if is_rle4 else taken
        if literal is not None:
            shown = literal[: max(0, min(count, width - x))]
            pixels[row * width + x : row * width + x + len(shown)] = shown
            x += count


def register() -> None:
    """Have Pillow open a BMP by this module."""
    Image.register_open(BmpPicture.format, BmpPicture, Image.OPEN["BMP"][1])
    Image.register_decoder("bmp_masks", _Masks)
    Image.register_decoder("bmp_rle", _Runs)
