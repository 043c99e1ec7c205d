"""Colours: the few that represent a picture best, most dominant first, found by clustering in eased OKLab.

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
# Colours closer than this count as one: the eye tells them apart only side by side. Black to white is 1.
_SAME = 0.045
# Whatever is darker than this is called black, so that all of it is one colour: about #1a1a1a.
_BLACK = 0.12
# A colour that a person would name though it covers little: it is vivid, covers this share at least, and no colour of
# the palette is nearer than this.
_VIVID, _NAMED_SHARE, _FAR = 0.1, 0.002, 0.12
_VISIBLE_ALPHA = 32


def palette(image: Image.Image) -> tuple[str, ...]:
    """Return 1 to `MOST` colours of `image` (RGB or RGBA, small) as `#rrggbb`: white if no pixel is visible."""
    pixels, weights = _distinct(image)
    if not len(pixels):
        return ("#ffffff",)
    points = oklab.eased(oklab.from_srgb(pixels))
    centres = _cluster(points, weights, _seed(points, weights))
    centres, shares = _merge(*_assign_weights(points, weights, centres))
    centres = centres[np.argsort(-shares, kind="stable")]
    accent = _accent(points, weights, centres)
    if accent is not None:
        centres = np.vstack([centres[: MOST - 1], accent])
    return tuple(dict.fromkeys(_hex(colour) for colour in oklab.to_srgb(oklab.uneased(centres))))


def _accent(points: Floats, weights: Floats, centres: Floats) -> Floats | None:
    """Return the vivid colour that covers most of what no colour of the palette is near, if that is enough."""
    is_vivid = np.hypot(points[:, 1], points[:, 2]) > _VIVID
    vivid, vivid_weights = points[is_vivid], weights[is_vivid]
    if vivid_weights.sum() < _NAMED_SHARE * weights.sum():
        return None
    distance = np.sqrt(((vivid - centres[_nearest(vivid, centres)]) ** 2).sum(axis=1))
    is_far = distance > _FAR
    missing, missed = vivid[is_far], vivid_weights[is_far]
    if not len(missing):
        return None
    # Around the heaviest of the missing colours, by all that is near it.
    near = np.sqrt(((missing - missing[np.argmax(missed * distance[is_far])]) ** 2).sum(axis=1)) < _FAR
    if missed[near].sum() < _NAMED_SHARE * weights.sum():
        return None
    accent: Floats = np.average(missing[near], axis=0, weights=missed[near])
    return accent


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
    """Merge colours that are closer than _SAME or both black, the nearest pair first."""
    while len(centres) > 1:
        distance = np.sqrt(((centres[:, None] - centres[None]) ** 2).sum(axis=2))
        is_black = centres[:, 0] < _BLACK
        distance[is_black[:, None] & is_black] = 0
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
