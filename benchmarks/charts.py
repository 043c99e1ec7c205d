"""Charts of lines as SVG, on a logarithmic scale, light on a white ground so that they can be read in both themes."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 960, 420
LEFT, TOP, RIGHT, BOTTOM = 70, 50, 370, 40
FONT = 'font-family="sans-serif" font-size="13"'
COLOURS = ("#1b6ca8", "#c2410c", "#2f7d32", "#7b3fa0", "#8a6d00", "#5f6368", "#b0216e")


@dataclass(frozen=True)
class Line:
    """Values at the same distances along the axis."""

    name: str
    values: Sequence[float]


def chart(title: str, lines: Sequence[Line], ticks: Sequence[str]) -> str:
    """Return the chart of `lines`, with `ticks` along the axis from its begin to its end; values below 1 are 1."""
    most = max(max(line.values) for line in lines)
    top = math.ceil(math.log10(max(most, 10)))
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def y(value: float) -> float:
        return bottom - (bottom - TOP) * math.log10(max(value, 1)) / top

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {FONT}>',
        f"<title>{html.escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="26" font-size="16" font-weight="bold" fill="#222">{html.escape(title)}</text>',
    ]
    for power in range(top + 1):
        at = y(10**power)
        parts.append(f'<path d="M{LEFT} {at:.1f}H{right}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end" fill="#444">{10**power:,}</text>')
    for number, tick in enumerate(ticks):
        x = LEFT + (right - LEFT) * number / (len(ticks) - 1)
        parts.append(f'<text x="{x:.1f}" y="{bottom + 20}" text-anchor="middle" fill="#444">{html.escape(tick)}</text>')
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        step = (right - LEFT) / max(len(line.values) - 1, 1)
        points = " ".join(f"{LEFT + step * place:.1f},{y(value):.1f}" for place, value in enumerate(line.values))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        beside = TOP + 20 + 24 * number
        parts.append(f'<path d="M{right + 14} {beside - 4}h22" stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<text x="{right + 44}" y="{beside}" fill="#222">{html.escape(line.name)}</text>')
    return "\n".join([*parts, "</svg>", ""])
