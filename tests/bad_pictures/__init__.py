"""Bad pictures, made in code, always the same: each with a name that tells what is wrong, and what may come of it."""

from collections import Counter
from functools import cache

from bad_pictures import boxes, gif, jpeg, mangled, png, strangers, tiff_bmp, webp
from bad_pictures.case import Case


@cache
def library() -> tuple[Case, ...]:
    """All cases; no two have one name."""
    cases = tuple(
        case for module in (strangers, png, jpeg, webp, gif, boxes, tiff_bmp, mangled) for case in module.cases()
    )
    twice = [name for name, times in Counter(case.name for case in cases).items() if times > 1]
    assert not twice, twice
    return cases
