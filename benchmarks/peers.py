"""The peers that imghost is compared with: the algorithm of its seed, libvips, and Pillow."""

import io

import pyvips
from colorthief import ColorThief
from PIL import Image

SQUARES = (64, 128, 256, 512)
_VIPS_QUALITY = "[Q=80,optimize_coding,keep=none]"


def seed(data: bytes) -> list[bytes]:
    """ColorThief's palette of the full picture, then four times: decode, `thumbnail()`, JPEG of quality 60."""
    ColorThief(io.BytesIO(data)).get_palette(color_count=10)
    thumbs = []
    for square in SQUARES:
        image = Image.open(io.BytesIO(data)).convert("RGB")
        image.thumbnail((square, square))
        out = io.BytesIO()
        image.save(out, "JPEG", quality=60, optimize=True)
        thumbs.append(out.getvalue())
    return thumbs


def vips_four_calls(data: bytes) -> list[bytes]:
    """libvips: each thumb from the file, no colours."""
    return [_jpeg(pyvips.Image.thumbnail_buffer(data, square, height=square, size="down")) for square in SQUARES]


def vips_chained(data: bytes) -> list[bytes]:
    """libvips: the largest thumb from the file, the others from that one, no colours."""
    largest = pyvips.Image.thumbnail_buffer(data, SQUARES[-1], height=SQUARES[-1], size="down").copy_memory()
    others = [largest.thumbnail_image(square, height=square, size="down") for square in SQUARES[:-1]]
    return [_jpeg(image) for image in (*others, largest)]


def pillow_decode_only(data: bytes) -> None:
    """Pillow: only decode a JPEG, at the scale that the largest thumb needs."""
    image = Image.open(io.BytesIO(data))
    image.draft("RGB", (SQUARES[-1], SQUARES[-1]))
    image.load()


def _jpeg(image: pyvips.Image) -> bytes:
    data: bytes = image.write_to_buffer(".jpg" + _VIPS_QUALITY)
    return data
