"""What decoding costs in memory, told from the header: sides, depth, and what each decoder keeps besides the pixels."""

from PIL import Image

# Bytes for each pixel at the peak, copies for conversions included; measured, and rounded up.
_PER_PIXEL = {"BMP": 8, "GIF": 9, "JPEG": 4, "MPO": 4, "PNG": 12, "WEBP": 12, "TIFF": 16, "AVIF": 16, "HEIF": 16}
_WORST = 16
_PROGRESSIVE_JPEG = 12  # all coefficients of all components, two bytes each, before the first pixel


def decoded_bytes(image: Image.Image) -> int:
    """Estimate the memory in bytes that decoding and converting IMAGE, of which the header is read, will need."""
    per_pixel = _PER_PIXEL.get(image.format or "", _WORST)
    if image.info.get("progressive"):
        per_pixel = _PROGRESSIVE_JPEG
    return image.width * image.height * per_pixel
