"""Colour spaces from their published numbers, and ICC profiles of them (ICC.1:2001-04), made byte by byte.

Tests compute here what a picture should look like: from the definitions, without a colour engine.
"""

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Colour = tuple[int, int, int]

D50 = np.array([0.9642, 1.0, 0.8249])
D65 = (0.3127, 0.3290)
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def xyz(x: float, y: float) -> Floats:
    """Return XYZ of a chromaticity, with Y = 1."""
    return np.array([x / y, 1.0, (1 - x - y) / y])


@dataclass(frozen=True)
class Space:
    """An RGB space with white D65: its `primaries` as xy, and the exponent of its transfer curve."""

    primaries: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
    gamma: float

    def to_xyz(self) -> Floats:
        """Return the matrix from linear RGB to XYZ (Lindbloom, "RGB/XYZ matrices")."""
        columns = np.stack([xyz(*primary) for primary in self.primaries], axis=1)
        return columns * np.linalg.solve(columns, xyz(*D65))

    def in_srgb(self, colour: Colour) -> Colour:
        """Return `colour` of this space in sRGB; channels outside of sRGB are clipped."""
        linear: Floats = (np.array(colour, dtype=np.float64) / 255) ** self.gamma
        return encoded_srgb(np.linalg.inv(SRGB.to_xyz()) @ self.to_xyz() @ linear)

    def profile(self) -> bytes:
        """Return the ICC profile of this space: three colorants adapted to D50 (Bradford), one curve."""
        cones = _BRADFORD @ D50 / (_BRADFORD @ xyz(*D65))
        colorants = np.linalg.inv(_BRADFORD) @ np.diag(cones) @ _BRADFORD @ self.to_xyz()
        tags = {name: _xyz_tag(column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colorants.T, strict=True)}
        return _profile(
            b"mntr", b"RGB ", b"XYZ ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(self.gamma))
        )


SRGB = Space(((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)), 2.2)
DISPLAY_P3 = Space(((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), 2.2)
ADOBE_RGB = Space(((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), 563 / 256)


def encoded_srgb(linear: Floats) -> Colour:
    """Return linear light of sRGB's primaries, encoded by the curve of IEC 61966-2-1."""
    light = np.clip(linear, 0, 1)
    values = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    red, green, blue = (round(float(value) * 255) for value in values)
    return red, green, blue


def lab_in_srgb(lab: tuple[float, float, float]) -> Colour:
    """Return a colour of CIELAB under D50 in sRGB."""
    lightness = (lab[0] + 16) / 116
    f = np.array([lightness + lab[1] / 500, lightness, lightness - lab[2] / 200])
    under_d50 = D50 * np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    cones = _BRADFORD @ xyz(*D65) / (_BRADFORD @ D50)
    under_d65 = np.linalg.inv(_BRADFORD) @ np.diag(cones) @ _BRADFORD @ under_d50
    return encoded_srgb(np.linalg.inv(SRGB.to_xyz()) @ under_d65)


def grey_in_srgb(value: int, gamma: float) -> Colour:
    """Return a grey, whose light is its value to the power of `gamma`, in sRGB."""
    return encoded_srgb(np.full(3, (value / 255) ** gamma))


def grey_profile(gamma: float) -> bytes:
    """Return the ICC profile of such greys."""
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": _curve(gamma)})


# The colours of four inks at full strength, alone and printed over each other, as bytes of CIELAB: L is 0…255 for
# 0…100, a and b are 128 too high. Paper is white, as relative conversions make it. No press has such inks, so that no
# other conversion gives the same colours by chance.
_PAPER, _INKS = (255, 128, 128), ((-90, -50, -60), (-70, 60, -20), (-20, -10, 80), (-130, 0, -4))


def ink_lab(inks: tuple[float, float, float, float]) -> tuple[float, float, float]:
    """Return the colour in CIELAB of `inks` (0…1), of which at most one is neither 0 nor 1."""
    lightness, a, b = (float(value) for value in _node(inks))
    return lightness * 100 / 255, a - 128, b - 128


def _node(inks: tuple[float, ...]) -> Floats:
    node: Floats = np.clip(np.array(_PAPER) + np.array(inks) @ np.array(_INKS), 0, 255)
    return node


def cmyk_profile() -> bytes:
    """Return the ICC profile of a printer: a table from inks to CIELAB, with two points per channel."""
    corners = [
        (float(c), float(m), float(y), float(k)) for c in range(2) for m in range(2) for y in range(2) for k in range(2)
    ]
    grid = bytes(round(float(value)) for corner in corners for value in _node(corner))
    matrix = b"".join(_fixed(value) for value in np.eye(3).flat)
    table = b"mft1\0\0\0\0\4\3\2\0" + matrix + bytes(range(256)) * 4 + grid + bytes(range(256)) * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": table})


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz_tag(value: Floats) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(_fixed(axis) for axis in value)


def _curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"


def _profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Return a profile of version 2: header, table of tags, tags."""
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(78),
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": _xyz_tag(D50),
        **tags,
    }
    table, data = struct.pack(">I", len(tags)), b""
    for name, tag in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(data), len(tag))
        data += tag + bytes(-len(tag) % 4)
    size = 128 + len(table) + len(data)
    head = struct.pack(">I4sI4s4s4s12s4s", size, bytes(4), 0x02400000, kind, space, connection, bytes(12), b"acsp")
    head += bytes(28) + b"".join(_fixed(axis) for axis in D50)
    return head.ljust(128, b"\0") + table + data
