"""Colours: the few that represent a picture best, most dominant first, found by clustering in OKLab.

Weighted k-means over the distinct colours of a small version (Celebi, "Improving the performance of k-means for color
quantization", 2011). The seeds are farthest points, not random ones, so that the result is always the same.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imaging.pipeline import oklab
from imaging.pipeline.oklab import Floats

MOST = 9
_ROUNDS = 6
_STILL = 1e-3
# Colours closer than this in OKLab count as one: the eye tells them apart only side by side. Black to white is 1.
_SAME = 0.04
_VISIBLE_ALPHA = 32


def palette(image: Image.Image) -> tuple[str, ...]:
    """Return 1 to `MOST` colours of `image` (RGB or RGBA, small) as `#rrggbb`: white if no pixel is visible."""
    pixels, weights = _distinct(image)
    if not len(pixels):
        return ("#ffffff",)
    points = oklab.from_srgb(pixels)
    centres = _cluster(points, weights, _seed(points, weights))
    centres, shares = _merge(*_assign_weights(points, weights, centres))
    order = np.argsort(-shares, kind="stable")
    return tuple(dict.fromkeys(_hex(colour) for colour in oklab.to_srgb(centres[order])))


def _distinct(image: Image.Image) -> tuple[NDArray[np.uint8], Floats]:
    """Return the distinct visible colours of `image`, and the number of pixels of each."""
    packed = np.frombuffer(image.convert("RGBA").tobytes(), ">u4").astype(np.uint32)
    values, counts = np.unique(packed[(packed & 255) >= _VISIBLE_ALPHA] >> 8, return_counts=True)
    rgb = np.stack([values >> 16 & 255, values >> 8 & 255, values & 255], axis=1).astype(np.uint8)
    return rgb, counts.astype(np.float64)


def _seed(points: Floats, weights: Floats) -> Floats:
    """Return up to `MOST` seeds: the point nearest to the mean, then each time the one farthest from all seeds."""
    lengths = (points**2) @ np.ones(3)

    def distance_to(point: Floats) -> Floats:
        return np.maximum(lengths - 2.0 * (points @ point) + point @ point, 0.0)

    chosen = [points[np.argmin(distance_to(np.average(points, axis=0, weights=weights)))]]
    distance = distance_to(chosen[0])
    spread = np.sqrt(weights)
    while len(chosen) < MOST and np.max(distance) > _SAME**2:
        chosen.append(points[np.argmax(distance * spread)])
        distance = np.minimum(distance, distance_to(chosen[-1]))
    return np.array(chosen)


def _cluster(points: Floats, weights: Floats, centres: Floats) -> Floats:
    weighted = points * weights[:, None]
    for _ in range(_ROUNDS):
        labels = _nearest(points, centres)
        shares = np.bincount(labels, weights, len(centres))
        sums = np.stack([np.bincount(labels, column, len(centres)) for column in weighted.T], axis=1)
        moved = np.where(shares[:, None] > 0, sums / np.maximum(shares, 1e-12)[:, None], centres)
        still = np.abs(moved - centres).max() < _STILL
        centres = moved
        if still:
            break
    return centres


def _assign_weights(points: Floats, weights: Floats, centres: Floats) -> tuple[Floats, Floats]:
    shares: Floats = np.bincount(_nearest(points, centres), weights, len(centres)).astype(np.float64)
    return centres[shares > 0], shares[shares > 0]


def _merge(centres: Floats, shares: Floats) -> tuple[Floats, Floats]:
    """Merge colours that are closer than _SAME, the nearest pair first."""
    while len(centres) > 1:
        distance = np.sqrt(((centres[:, None] - centres[None]) ** 2).sum(axis=2))
        np.fill_diagonal(distance, np.inf)
        first, second = np.unravel_index(np.argmin(distance), distance.shape)
        if distance[first, second] >= _SAME:
            break
        both = shares[first] + shares[second]
        centres[first] = (centres[first] * shares[first] + centres[second] * shares[second]) / both
        shares[first] = both
        centres, shares = np.delete(centres, second, axis=0), np.delete(shares, second)
    return centres, shares


def _nearest(points: Floats, centres: Floats) -> NDArray[np.intp]:
    # |p - c|² less |p|², which is the same for all centres of a point: one matrix product instead of all differences.
    nearest: NDArray[np.intp] = np.argmin((centres**2).sum(axis=1) - 2.0 * (points @ centres.T), axis=1)
    return nearest


def _hex(colour: NDArray[np.uint8]) -> str:
    return f"#{colour[0]:02x}{colour[1]:02x}{colour[2]:02x}"
