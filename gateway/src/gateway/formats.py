"""Formats of pictures, told by the first bytes of a file: what is none of them is refused before it is stored."""

# Enough for the brands of an AVIF or a HEIC.
ENOUGH = 512

_BEGINNINGS = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"II+\0", "image/tiff"),
    (b"MM\0+", "image/tiff"),
)
_BRANDS = (
    ("image/avif", frozenset({b"avif", b"avis"})),
    ("image/heic", frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"})),
)
# JPEG-LS, which begins as a JPEG does.
_NOT_TAKEN = (b"\xff\xd8\xff\xf7",)


def content_type_of(beginning: bytes) -> str | None:
    """Return the content type of a file with this `beginning`, None if it is no picture that imghost takes.

    Whether the rest is a picture, imaging finds out.
    """
    if beginning.startswith(_NOT_TAKEN):
        return None
    for start, content_type in _BEGINNINGS:
        if beginning.startswith(start):
            return content_type
    if beginning[:4] == b"RIFF" and beginning[8:12] == b"WEBP":
        return "image/webp"
    return _of_box(beginning) if beginning[4:8] == b"ftyp" else None


def _of_box(beginning: bytes) -> str | None:
    """Return the content type that the brands of the first box name, the major one first (ISO/IEC 14496-12, 4.3)."""
    end = min(int.from_bytes(beginning[:4], "big"), len(beginning))
    brands = [beginning[8:12], *(beginning[at : at + 4] for at in range(16, end - 3, 4))]
    return next((content_type for brand in brands for content_type, known in _BRANDS if brand in known), None)
