"""Landscapes for the console: pictures that differ in shape and colours, made in code and always the same."""

import random

from PIL import Image, ImageDraw, ImageFilter

from pictures import encoded

SHAPES = ((1200, 800), (800, 1100), (1400, 700), (1000, 1000), (1100, 820), (900, 1200), (1600, 900))
NAMES = ("harbour", "ridge", "dunes", "meadow", "fjord", "canyon", "lagoon", "tundra", "valley", "shore")


def landscape(number: int) -> bytes:
    """Return a sky with sun and hills, as JPEG."""
    dice = random.Random(number)
    width, height = SHAPES[number % len(SHAPES)]
    hue = dice.randrange(256)
    sky = Image.new("HSV", (1, height))
    for y in range(height):
        at = y / height
        colour = (round(hue + 45 * at) % 256, round(170 - 120 * at), round(110 + 140 * at))
        sky.putpixel((0, y), colour)
    picture = sky.convert("RGB").resize((width, height))
    draw = ImageDraw.Draw(picture)
    sun, left, top = height * 0.07, width * dice.uniform(0.2, 0.8), height * dice.uniform(0.25, 0.45)
    draw.ellipse([left - sun, top - sun, left + sun, top + sun], fill=(255, 240, 205))
    for layer in range(4):
        ridge = height * (0.5 + 0.13 * layer)
        points = [
            (width * step / 12, ridge + dice.uniform(-1, 1) * height * (0.11 - 0.02 * layer)) for step in range(13)
        ]
        shade = Image.new("HSV", (1, 1), ((hue + 20 * layer) % 256, 90 + 25 * layer, 150 - 33 * layer)).convert("RGB")
        draw.polygon([(0, height), *points, (width, height)], fill=shade.getpixel((0, 0)))
    return encoded(picture.filter(ImageFilter.GaussianBlur(1.2)), "JPEG", quality=86)


def name(number: int) -> str:
    """Return the name of a file."""
    return f"{NAMES[number % len(NAMES)]}-{number:02}.jpg"
