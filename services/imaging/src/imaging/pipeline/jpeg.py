"""JPEG: what its first frame is (ITU-T T.81, annex B), and whether its data ends before its picture does."""

from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from imaging.errors import UnsupportedFormatError

_BEGINNING, _PREFIX, _END = b"\xff\xd8\xff", 0xFF, b"\xff\xd9"
_LOSSLESS = 0xC3
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # those are tables, and one that is reserved
_NOT_READ = dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "in layers") | {0xCB: "lossless, arithmetic"}
_ALONE = {0x00, 0x01, *range(0xD0, 0xD9)}  # markers without a segment
_SCAN, _SCAN_MARKER = 0xDA, b"\xff\xda"
_BITS = 8
_BLOCK_ROWS = 256
# libjpeg fills blocks for which it has no data with zeros, which are the middle of the range: 127 if inks are inverted.
_MIDDLE = {127, 128}
# Something instead of what is missing: any bits do, since a picture that has all its data never looks at them.
_INSTEAD = b"\x5a\xc3" * 1024


@dataclass(frozen=True)
class Frame:
    """What the header of a frame says: the number of its marker, and the bits of a sample."""

    marker: int
    bits: int

    @property
    def is_lossless(self) -> bool:
        """Return whether the samples are stored as they are: nothing can be decoded at a smaller size."""
        return self.marker == _LOSSLESS


def frame(data: bytes) -> Frame | None:
    """Return the first frame of the JPEG in `data`, None if there is none. Raise `UnsupportedFormatError`."""
    for at, marker in _segments(data):
        if marker in _FRAMES:
            return _checked(Frame(marker, data[at + 4]))
    return None


def lacks_components(data: bytes) -> bool:
    """Return whether the JPEG in `data` ends before all of its components have begun, which are grey then.

    A progressive one need not have all of its scans (T.81, G.1.1.1): it is whole, if less fine. But each component has
    one with its first coefficients.
    """
    found = {marker: at for at, marker in _segments(data)}
    header, at = next((at for marker, at in found.items() if marker in _FRAMES), None), found.get(_SCAN)
    if header is None or at is None:
        return False  # nothing that could be decoded at all
    due = {*data[header + 10 : header + 2 + int.from_bytes(data[header + 2 : header + 4]) : 3]}
    while True:
        behind = at + 5 + 2 * int.from_bytes(data[at + 4 : at + 5])
        # From the first coefficient on, not to refine what came before. In a lossless one this means something else.
        first, refined = data[behind : behind + 1], data[behind + 2 : behind + 3]
        if (first == b"\0" and refined < b"\x10") or _LOSSLESS in found:
            due -= {*data[at + 5 : behind : 2]}
        if not due:  # most have one scan for all, and need not be searched to their end
            return False
        following = data.find(_SCAN_MARKER, at + 2)
        if following < 0 or data.find(_END, at, following) >= 0:
            return data.find(_END, at) >= 0
        at = following


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where each segment begins, and its marker, up to the first scan."""
    at = 2 if data.startswith(_BEGINNING) else -1
    while at >= 0 and at + 4 < len(data):
        marker = data[at + 1]
        if data[at] != _PREFIX:  # some files have rubbish between their segments
            at = data.find(_PREFIX, at)
        elif marker == _PREFIX:  # markers may be padded
            at += 1
        elif marker in _ALONE:
            at += 2
        else:
            yield at, marker
            if marker == _SCAN:
                return
            at += 2 + int.from_bytes(data[at + 2 : at + 4])


def _checked(found: Frame) -> Frame:
    if found.marker in _NOT_READ:
        raise UnsupportedFormatError(f"The JPEG is {_NOT_READ[found.marker]}, which is not supported.")
    if found.bits in {12, 16} or (found.is_lossless and found.bits != _BITS):
        raise UnsupportedFormatError(f"The JPEG has samples of {found.bits} bits, which are not supported.")
    return found


def ends_grey(image: Image.Image) -> bool:
    """Return whether `image`, just loaded, ends as if data were missing, by the last of its pixels."""
    corner = image.crop((max(0, image.width - 2), max(0, image.height - 2), *image.size))
    return all({*extremes} <= _MIDDLE for extremes in _extremes(corner))


def _extremes(image: Image.Image) -> list[tuple[int, int]]:
    return [band.getextrema() for band in image.split()]  # type: ignore[misc]


def prolonged(data: bytes) -> bytes:
    """Return the JPEG in `data` with other data before its end, of which a decoder that lacks none takes no notice."""
    end = data.rfind(_END)
    return data if end < 0 else b"".join((memoryview(data)[:end], _INSTEAD, _END))


def is_same(one: Image.Image, other: Image.Image) -> bool:
    """Return whether the pixels of two pictures are the same, with little memory."""
    if (one.size, one.mode) != (other.size, other.mode):
        return False
    return all(
        one.crop(box).tobytes() == other.crop(box).tobytes()
        for box in (
            (0, top, one.width, min(top + _BLOCK_ROWS, one.height)) for top in range(0, one.height, _BLOCK_ROWS)
        )
    )
