"""Paint the sample picture: an evening over a lake, with the size and the grain of a photo."""

import io
import random
from itertools import pairwise

from PIL import Image, ImageChops, ImageDraw, ImageFilter

WIDTH, HEIGHT = 1600, 1067
HORIZON = 640
SUN = (1060, 520)
SEED = 7
Colour = tuple[int, int, int]

SKY: tuple[tuple[float, Colour], ...] = (
    (0.0, (38, 54, 102)),
    (0.35, (112, 86, 138)),
    (0.6, (214, 118, 112)),
    (0.82, (247, 168, 98)),
    (1.0, (255, 214, 140)),
)
RIDGES: tuple[tuple[int, int, Colour], ...] = (
    (110, 150, (150, 96, 118)),
    (62, 120, (96, 66, 100)),
    (22, 70, (48, 40, 70)),
)
"""Mountain ridges from far to near: mean height over the horizon, roughness, colour."""


def _blend(low: Colour, high: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(low, high, strict=True))
    return red, green, blue


def _sky() -> Image.Image:
    column = Image.new("RGB", (1, HORIZON))
    for y in range(HORIZON):
        at = y / (HORIZON - 1)
        upper = next(index for index, (stop, _) in enumerate(SKY) if stop >= at)
        (low, dark), (high, bright) = SKY[max(upper - 1, 0)], SKY[upper]
        column.putpixel((0, y), _blend(dark, bright, (at - low) / (high - low) if high > low else 0))
    sky = column.resize((WIDTH, HORIZON))
    glow = ImageChops.invert(Image.radial_gradient("L")).point([round(255 * (v / 255) ** 3) for v in range(256)])
    light = Image.new("L", sky.size)
    light.paste(glow.resize((1100, 1100)), (SUN[0] - 550, SUN[1] - 550))
    sky = Image.composite(Image.new("RGB", sky.size, (255, 226, 160)), sky, light)
    ImageDraw.Draw(sky).ellipse([SUN[0] - 44, SUN[1] - 44, SUN[0] + 44, SUN[1] + 44], fill=(255, 246, 214))
    return sky.filter(ImageFilter.GaussianBlur(2))


def _ridge(dice: random.Random, height: int, roughness: float) -> list[float]:
    """Return heights along the width by midpoint displacement (Fournier, Fussell and Carpenter, 1982)."""
    line = [height * dice.uniform(0.6, 1.4), height * dice.uniform(0.6, 1.4)]
    while len(line) < WIDTH:
        middles = [(a + b) / 2 + dice.uniform(-roughness, roughness) for a, b in pairwise(line)]
        line = [point for pair in zip(line, [*middles, 0.0], strict=True) for point in pair][:-1]
        roughness *= 0.52
    return line


def _shore(dice: random.Random) -> Image.Image:
    scene = _sky()
    for height, roughness, colour in RIDGES:
        line = _ridge(dice, height, roughness)
        step = (len(line) - 1) / WIDTH
        outline = [(x, HORIZON - max(4.0, line[int(x * step)])) for x in range(WIDTH + 1)]
        ImageDraw.Draw(scene).polygon([(0, HORIZON), *outline, (WIDTH, HORIZON)], fill=colour)
    return scene


def _water(dice: random.Random, shore: Image.Image) -> Image.Image:
    height = HEIGHT - HORIZON
    mirror = shore.transpose(Image.Transpose.FLIP_TOP_BOTTOM).crop((0, 0, WIDTH, height))
    mirror = Image.blend(mirror, Image.new("RGB", mirror.size, (28, 36, 74)), 0.35)
    water = mirror.copy()
    for y in range(height):  # ripples: each line is shifted at random, those nearer to the viewer by more
        shift = round(dice.gauss(0, 1 + y / 45))
        water.paste(mirror.crop((0, y, WIDTH, y + 1)), (shift, y))
    return water.filter(ImageFilter.GaussianBlur(1.2))


def paint() -> bytes:
    """Return the picture as a JPEG file."""
    dice = random.Random(SEED)  # noqa: S311 - a picture, not a secret
    shore = _shore(dice)
    scene = Image.new("RGB", (WIDTH, HEIGHT))
    scene.paste(shore, (0, 0))
    scene.paste(_water(dice, shore), (0, HORIZON))
    grain = Image.effect_noise((WIDTH, HEIGHT), 9).convert("RGB")
    scene = ImageChops.overlay(scene, grain)
    file = io.BytesIO()
    scene.save(file, "JPEG", quality=88)
    return file.getvalue()
