"""Every bad picture through one pool of children: each fails at once, as what it is, and harms no other."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from bad_pictures import library
from bad_pictures.case import RENDERED, Case
from imaging.domain import Limits, Rendering
from imaging.errors import PictureError
from imaging.sandbox.pool import Bounds, Pool
from pictures import photo

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF", "BMP", "HEIF")
LIMITS = Limits(64 * 1024 * 1024, 64_000_000, 30_000, 1024**3, FORMATS)
SQUARES = (64, 128, 256, 512)
# The CPU time is the default of the service. The wall-clock time is ample: the machine of the tests may be crowded.
BOUNDS = Bounds(5, 60)
GOOD_EVERY = 25
Outcome = str | Rendering


class Attempts:
    """The outcomes of all cases, and of good pictures between them."""

    def __init__(self, pool: Pool) -> None:
        self.good = {name: photo(300, 200, name) for name in FORMATS}
        self.before = {name: pool.render(data) for name, data in self.good.items()}
        with ThreadPoolExecutor(2) as threads:
            self.outcomes = dict(threads.map(lambda numbered: self._attempt(pool, *numbered), enumerate(library())))

    def _attempt(self, pool: Pool, number: int, case: Case) -> tuple[str, tuple[Outcome, float]]:
        if number % GOOD_EVERY == 0:
            name = FORMATS[number // GOOD_EVERY % len(FORMATS)]
            assert pool.render(self.good[name]) == self.before[name], f"a {name} differs beside {case.name}"
        began = time.monotonic()
        try:
            outcome: Outcome = pool.render(case.data)
        except PictureError as fault:
            outcome = fault.code if str(fault) else "a failure that tells nothing"
        return case.name, (outcome, time.monotonic() - began)


@pytest.fixture(scope="module")
def attempts() -> Iterator[Attempts]:
    """Render each case once, two at a time; an error that is no `PictureError` fails all tests."""
    pool = Pool(2, LIMITS, SQUARES, BOUNDS)
    try:
        yield Attempts(pool)
    finally:
        pool.close()


def test_library_holds_hundreds_of_cases_of_every_format() -> None:
    assert len(library()) >= 300
    for word in ("jpeg", "png", "webp", "gif", "avif", "tiff", "bmp", "heic"):
        assert sum(word in case.name for case in library()) >= 20, word


@pytest.mark.parametrize("case", library(), ids=lambda case: case.name)
def test_bad_picture_ends_as_what_it_is(case: Case, attempts: Attempts) -> None:
    outcome, took_s = attempts.outcomes[case.name]
    assert (RENDERED if isinstance(outcome, Rendering) else outcome) in case.outcomes
    assert took_s < BOUNDS.wall_s


def test_whatever_is_rendered_is_whole(attempts: Attempts) -> None:
    rendered = [outcome for outcome, _ in attempts.outcomes.values() if isinstance(outcome, Rendering)]
    assert rendered
    for rendering in rendered:
        assert [thumb.square for thumb in rendering.thumbs] == list(SQUARES)
        assert rendering.width * rendering.height <= LIMITS.max_pixels
        assert rendering.colors


def test_good_pictures_are_rendered_as_before_all_the_bad_ones(attempts: Attempts) -> None:
    pool = Pool(1, LIMITS, SQUARES, BOUNDS)
    try:
        assert {name: pool.render(data) for name, data in attempts.good.items()} == attempts.before
    finally:
        pool.close()
