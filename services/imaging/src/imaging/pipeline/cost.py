"""How much memory decoding takes, estimated from the header before anything is decoded."""

# Bytes per pixel at the peak, including the copies that conversions make: the most that was measured for any kind of
# the format at 50 million pixels, rounded up.
_PER_PIXEL = {"BMP": 8, "GIF": 10, "JPEG": 4, "MPO": 4, "PNG": 13, "WEBP": 17, "TIFF": 18, "AVIF": 20, "HEIF": 16}
_WORST = 20
_PROGRESSIVE_JPEG = 9  # keeps all coefficients, of up to four components and two bytes each, until the last scan
_FILES = 2  # the file is in memory once, and once more in decoders that copy it


def decoded_bytes(
    file_format: str,
    size: tuple[int, int],
    file_bytes: int,
    *,
    progressive: bool = False,
    per_pixel: int | None = None,
) -> int:
    """Return the memory in bytes that decoding and converting a picture of `size` takes at most.

    `per_pixel` is the memory of a decoder of our own that knows what it takes.
    """
    if per_pixel is None:
        per_pixel = _PROGRESSIVE_JPEG if progressive else _PER_PIXEL.get(file_format, _WORST)
    return size[0] * size[1] * per_pixel + file_bytes * _FILES
