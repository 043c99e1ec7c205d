"""Benchmarks of the imaging service and its peers, in one run: `make bench-imaging`.

It prints a table and writes benchmarks/results/imaging.json. A ratio is one of medians. The works that it compares run
in turns and take turns in going first, so that a machine whose speed drifts favours none of them. Costs are CPU time of
all threads, unless the unit says otherwise. All run in one process that allocates memory as the service's children do;
otherwise chance, and what ran before, would decide whether a run gets its pages from the system or reuses those of
the run before.
"""

import io
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from colorthief import ColorThief
from PIL import Image
from skimage.metrics import structural_similarity
from tabulate import tabulate

from benchmarks import peers, worker
from benchmarks.figures import Figure
from benchmarks.photos import encoded, photo, varied
from imaging.domain import Limits
from imaging.pipeline import oklab, render
from imaging.pipeline.decoding import decode
from imaging.pipeline.opening import open_picture
from imaging.pipeline.thumbs import scale
from imaging.sandbox.pool import ALLOCATION, Bounds, Pool

RUNS = 41
SLOW_RUNS = 5  # for works that take seconds
RESULTS = Path(__file__).parent / "results" / "imaging.json"
LIMITS = Limits(
    64 * 1024**2, 64_000_000, 30_000, 1024**3, ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF", "BMP", "HEIF")
)
SQUARES = peers.SQUARES
BOUNDS = Bounds(cpu_s=5, wall_s=30)


def cpu_ms(work: Callable[[], Any]) -> float:
    """Return the CPU time that `work` takes, in milliseconds."""
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1000


def wall_ms(work: Callable[[], Any]) -> float:
    """Return the wall-clock time that `work` takes, in milliseconds."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def medians(measure: Callable[[Callable[[], Any]], float], *works: Callable[[], Any], runs: int = RUNS) -> list[float]:
    """Return the median of each of `works` over runs in turns; the first run of each does not count."""
    for work in works:
        work()
    taken: list[list[float]] = [[] for _ in works]
    for run in range(runs):
        for turn in range(len(works)):
            which = (run + turn) % len(works)
            taken[which].append(measure(works[which]))
    return [statistics.median(times) for times in taken]


def held_against(
    name: str, peer: Callable[[], Any], to_reach: float, ours: Callable[[], Any], runs: int = RUNS
) -> Figure:
    """Measure `ours` and `peer`; the target is a ratio of `to_reach` or less."""
    mine, theirs = medians(cpu_ms, ours, peer, runs=runs)
    ratio = mine / theirs
    return Figure(
        name, round(mine, 1), round(theirs, 1), "ms CPU", round(ratio, 4), f"≤ {to_reach:.4g}", bool(ratio <= to_reach)
    )


def speed() -> list[Figure]:
    """Measure the CPU time of all that is made of a picture, in this process."""
    jpeg = encoded(photo(4000, 3000), "JPEG", quality=90)
    png = encoded(photo(1632, 1224), "PNG")

    def ours_jpeg() -> object:
        return render(jpeg, LIMITS, SQUARES)

    def ours_png() -> object:
        return render(png, LIMITS, SQUARES)

    return [
        held_against(
            "12 MP JPEG, against the seed's algorithm", lambda: peers.seed(jpeg), 1 / 40, ours_jpeg, SLOW_RUNS
        ),
        held_against("12 MP JPEG, against libvips in four calls", lambda: peers.vips_four_calls(jpeg), 0.5, ours_jpeg),
        held_against("12 MP JPEG, against libvips chained", lambda: peers.vips_chained(jpeg), 0.8, ours_jpeg),
        held_against("12 MP JPEG, against decoding alone", lambda: peers.pillow_decode_only(jpeg), 2.2, ours_jpeg),
        held_against("2 MP PNG, against the seed's algorithm", lambda: peers.seed(png), 1 / 8, ours_png, SLOW_RUNS),
        held_against("2 MP PNG, against libvips in four calls", lambda: peers.vips_four_calls(png), 1.0, ours_png),
    ]


def similarity(one: Image.Image, other: Image.Image) -> float:
    """Return the SSIM (structural similarity) of two pictures of the same size."""
    value = structural_similarity(np.asarray(one), np.asarray(other), channel_axis=2)  # type: ignore[no-untyped-call]
    return float(value)


def thumb_quality() -> list[Figure]:
    """Compare our thumbs with a full decode that is scaled to size at once by Lanczos.

    They are not encoded: JPEG of quality 80 makes of two pictures that hardly differ two that differ by a step here and
    there, so that one would measure the noise of the encoder and not the scaling.
    """
    scaled: dict[str, float] = {}
    for name, image in varied().items():
        data = encoded(image, "JPEG", quality=95)
        full = Image.open(io.BytesIO(data)).convert("RGB")
        picture = decode(open_picture(data, LIMITS), needed=max(SQUARES))
        for square, ours in scale(picture.image, picture.size, SQUARES).items():
            reference = full.resize(ours.size, Image.Resampling.LANCZOS)
            scaled[f"{name}, {square}"] = similarity(ours.convert("RGB"), reference)
    return [
        at_least(f"thumbs, SSIM of the scaling with Lanczos from the full picture (worst: {worst_of(scaled)})", scaled)
    ]


def worst_of(values: dict[str, float]) -> str:
    """Return the name of the lowest of `values`."""
    return min(values, key=lambda name: values[name])


def at_least(name: str, values: dict[str, float], to_reach: float = 0.98) -> Figure:
    """Return the figure of the lowest of `values`, which has the target `to_reach`."""
    least = min(values.values())
    return Figure(name, round(least, 4), None, "SSIM", None, f"≥ {to_reach}", least >= to_reach)


def painting_error(image: Image.Image, colours: list[tuple[int, int, int]]) -> float:
    """Return the mean distance in OKLab from the pixels of `image` to the nearest of `colours`."""
    small = image.convert("RGB").resize((160, 120), Image.Resampling.BOX)
    points = oklab.from_srgb(np.asarray(small).reshape(-1, 3))
    palette = oklab.from_srgb(np.array(colours, dtype=np.uint8))
    return float(np.sqrt(((points[:, None] - palette[None]) ** 2).sum(axis=2)).min(axis=1).mean())


def colour_quality() -> list[Figure]:
    """Measure how well a picture can be painted with our palette and with ColorThief's, if that has one."""
    mine, theirs, failed = [], [], []
    hard = {"white": Image.new("RGB", (200, 200), "white"), "two colours": Image.new("RGB", (200, 200), "white")}
    hard["two colours"].paste("black", (0, 0, 100, 200))
    for image in (varied() | hard).values():
        data = encoded(image, "PNG")
        colours = render(data, LIMITS, SQUARES).colors
        error = painting_error(image, [tuple(bytes.fromhex(colour[1:])) for colour in colours])  # type: ignore[misc]
        try:
            # Asked for ten it returns nine, as many as ours. Every pixel counts, for better palettes than the seed's.
            theirs.append(painting_error(image, ColorThief(io.BytesIO(data)).get_palette(10, quality=1)[:9]))
        except Exception:  # noqa: BLE001 - it raises different things where it finds no colour
            failed.append(error)
        else:
            mine.append(error)
    ratio = statistics.mean(mine) / statistics.mean(theirs)
    return [
        Figure(
            "colours, mean OKLab error of painting with them, against ColorThief",
            round(statistics.mean(mine), 4),
            round(statistics.mean(theirs), 4),
            "OKLab",
            round(ratio, 3),
            "≤ 1",
            ratio <= 1,
        ),
        Figure(
            f"colours, where ColorThief fails ({len(failed)} pictures)",
            round(max(failed, default=0.0), 4),
            None,
            "OKLab",
            None,
            "≤ 0.02",
            max(failed, default=0.0) <= 0.02,
        ),
    ]


def isolation() -> list[Figure]:
    """Measure what decoding in a child costs, and how much faster two children are than one."""
    jpeg = encoded(photo(4000, 3000), "JPEG", quality=90)
    pool = Pool(2, LIMITS, SQUARES, BOUNDS)
    pool.warm_up()
    inside, outside = medians(wall_ms, lambda: render(jpeg, LIMITS, SQUARES), lambda: pool.render(jpeg), runs=15)
    pictures = 40

    def by(threads: int) -> float:
        with ThreadPoolExecutor(threads) as workers:
            return pictures / (wall_ms(lambda: list(workers.map(pool.render, [jpeg] * pictures))) / 1000)

    taken = [(by(1), by(2)) for _ in range(5)]
    one, two = (statistics.median(column) for column in zip(*taken, strict=True))
    pool.close()
    return [
        Figure(
            "isolation, 12 MP JPEG in a child against in this process",
            round(outside, 1),
            round(inside, 1),
            "ms wall",
            round(outside / inside, 3),
            "≤ 1.15",
            outside / inside <= 1.15,
        ),
        Figure(
            "two decoding children against one, fed from memory",
            round(two, 1),
            round(one, 1),
            "pictures/s",
            round(two / one, 3),
            "≥ 1.85",
            two / one >= 1.85,
        ),
    ]


# The peak since exec: that of getrusage would include the memory of the process that started this one.
# Measure the worker's own process with all that it imports, and nothing of the benchmark.
LARGE = """
import os, sys
from pathlib import Path
import imaging.cli
from imaging.domain import Limits
from imaging.sandbox.pool import Bounds, Pool
pool = Pool(1, Limits(64 * 1024**2, 64_000_000, 30_000, 1024**3, ("PNG",)), (64, 128, 256, 512), Bounds(5, 30))
pool.warm_up()
pid = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()[0]
assert len(pool.render(sys.stdin.buffer.read()).thumbs) == 4
for status in ("/proc/self/status", f"/proc/{pid}/status"):
    print(next(line.split()[1] for line in Path(status).read_text().splitlines() if line.startswith("VmHWM")))
pool.close()
"""


def large_picture() -> list[Figure]:
    """Measure the peak memory of parent and child for a PNG of 50 million pixels with alpha."""
    rgb = photo(2500, 2000).resize((8060, 6200), Image.Resampling.BICUBIC)
    rgb.putalpha(Image.linear_gradient("L").resize(rgb.size))
    data = encoded(rgb, "PNG", compress_level=6)
    measured = subprocess.run(
        [sys.executable, "-c", LARGE], input=data, capture_output=True, check=True, cwd=Path(__file__).parents[1]
    )
    parent, child = (int(kib) / 1024 for kib in measured.stdout.split())
    return [
        Figure("50 MP PNG with alpha, memory of the child", round(child), None, "MiB", None, "≤ 1024", child <= 1024),
        Figure("50 MP PNG with alpha, memory of the parent", round(parent), None, "MiB", None, "≤ 150", parent <= 150),
    ]


def whole_way() -> Figure:
    """Measure images per second from registration to ready, with every service on this machine."""
    rate = worker.pictures_a_second(encoded(photo(4000, 3000), "JPEG", quality=90), pictures=100)
    name = "12 MP JPEGs registered and ready, with broker, S3 and databases on the same machine"
    return Figure(name, round(rate, 1), None, "pictures/s", None, "reported", met=True)


def main() -> None:
    """Measure everything, print the table, and write the file."""
    if ALLOCATION.items() - os.environ.items():  # the C library reads it only when a process starts
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks.imaging"], os.environ | ALLOCATION)  # noqa: S606
    for name in ALLOCATION:  # processes started from here get the environment that the service gives them
        del os.environ[name]
    figures = [*speed(), *thumb_quality(), *colour_quality(), *isolation(), whole_way(), *large_picture()]
    shown = [[f.name, f.ours, f.against, f.unit, f.ratio, f.to_reach, "yes" if f.met else "NO"] for f in figures]
    print(tabulate(shown, headers=["figure", "ours", "against", "unit", "ratio", "to reach", "met"]))  # noqa: T201
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps([asdict(figure) for figure in figures], indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
