"""What decoding costs in memory, told from the header: sides, depth, and what each decoder keeps besides the pixels."""

# Bytes for each pixel at the peak, copies for conversions included: the most that any kind of the format was measured
# to take at 50 million pixels, rounded up.
_PER_PIXEL = {"BMP": 8, "GIF": 10, "JPEG": 4, "MPO": 4, "PNG": 13, "WEBP": 17, "TIFF": 18, "AVIF": 20, "HEIF": 16}
_WORST = 20
_PROGRESSIVE_JPEG = 9  # all coefficients of up to four components, two bytes each, before the first pixel
_FILES = 2  # the file is held while it arrives, and once more by decoders that want it in one piece


def decoded_bytes(file_format: str, size: tuple[int, int], file_bytes: int, *, progressive: bool = False) -> int:
    """Estimate the memory in bytes that decoding and converting a picture of SIZE from FILE_BYTES will need."""
    per_pixel = _PROGRESSIVE_JPEG if progressive else _PER_PIXEL.get(file_format, _WORST)
    return size[0] * size[1] * per_pixel + file_bytes * _FILES
