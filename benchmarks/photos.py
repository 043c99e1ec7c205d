"""Pictures for the benchmarks, made in code and always the same: like photos, noise over gradients and shapes."""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


def photo(width: int, height: int, seed: int = 1) -> Image.Image:
    """Return an RGB picture: a gradient like a sky, soft shapes of many colours, fine detail, sensor noise."""
    rng = np.random.default_rng(seed)
    small = Image.new("RGB", (400, 300))
    draw = ImageDraw.Draw(small)
    for row in range(300):
        draw.line((0, row, 400, row), fill=(60 + row // 3, 90 + row // 4, 180 - row // 3))
    for _ in range(40):
        x, y, size = int(rng.integers(0, 400)), int(rng.integers(0, 300)), int(rng.integers(5, 70))
        colour = tuple(int(value) for value in rng.integers(0, 255, 3))
        draw.ellipse((x - size, y - size, x + size, y + size), fill=colour)
    large = small.filter(ImageFilter.GaussianBlur(1.5)).resize((width, height), Image.Resampling.BICUBIC)
    pixels = np.asarray(large).astype(np.int16)
    texture = np.kron(rng.normal(0, 10, (height // 4 + 1, width // 4 + 1)), np.ones((4, 4)))[:height, :width]
    noise = rng.normal(0, 5, (height, width, 3))
    return Image.fromarray((pixels + texture[..., None] + noise).clip(0, 255).astype(np.uint8))


def encoded(image: Image.Image, file_format: str, **options: int) -> bytes:
    """Return `image` encoded."""
    out = io.BytesIO()
    image.save(out, file_format, **options)
    return out.getvalue()


def varied() -> dict[str, Image.Image]:
    """Return varied pictures by name: photos, flat drawings, detail like text, greys, dark and bright ones."""
    set_of = {f"photo {seed}": photo(1600, 1200, seed) for seed in range(2, 8)}
    drawing = Image.new("RGB", (1500, 1000), "white")
    draw = ImageDraw.Draw(drawing)
    for number, colour in enumerate(("red", "navy", "gold", "teal", "black", "orchid")):
        draw.rectangle((100 + 220 * number, 100 + 90 * number, 300 + 220 * number, 350 + 90 * number), fill=colour)
    set_of["drawing"] = drawing
    lines = Image.new("RGB", (1400, 1400), (250, 250, 245))
    draw = ImageDraw.Draw(lines)
    for number in range(0, 1400, 14):
        draw.line((0, number, 1400, 1400 - number), fill=(20, 20, 30), width=3)
    set_of["lines"] = lines.filter(ImageFilter.GaussianBlur(0.8))
    set_of["grey photo"] = photo(1600, 1200, 9).convert("L").convert("RGB")
    set_of["dark photo"] = photo(1600, 1200, 10).point(lambda value: value // 5)
    set_of["bright photo"] = photo(1600, 1200, 11).point(lambda value: 200 + value // 5)
    return set_of
