"""Bad pictures, made in code and always the same: each has a name that says what is wrong, and its allowed outcomes."""

from collections import Counter
from functools import cache

from bad_pictures import boxes, gif, jpeg, mangled, png, strangers, tiff_bmp, webp
from bad_pictures.case import Case


@cache
def library() -> tuple[Case, ...]:
    """Return all cases; their names are unique."""
    cases = tuple(
        case for module in (strangers, png, jpeg, webp, gif, boxes, tiff_bmp, mangled) for case in module.cases()
    )
    twice = [name for name, times in Counter(case.name for case in cases).items() if times > 1]
    assert not twice, twice
    return cases
