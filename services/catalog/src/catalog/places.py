"""Where members stand in a collection, so that one is moved without rewriting the others.

A place is a position and a shift. Members that are added get the next position, and the shift 0. One that is moved
behind another gets the position of that one, and a shift between its and the next one's. Of each position there are so
many shifts that they are used up only by moving dozens of members to the very same spot; then some of those move on.
"""

from collections.abc import Sequence

Place = tuple[int, int]

# Before all others: positions are counted from 1.
START: Place = (0, 0)

# The distance at which members are put where there is room: so many can follow each other without halving.
_STEP = 2**32
# The least distance at which those are put that make room.
_LEAST = 2**20


def behind_all(last: Place | None) -> Place:
    """Return the place behind the member at `last`, or the first one if there is none."""
    return (1 if last is None else last[0] + 1, 0)


def between(anchor: Place | None, following: Place | None) -> Place | None:
    """Return a place between that of `anchor` (None: the beginning) and of the member that follows it (None: the end).

    Return None if there is none left.
    """
    if anchor is None:
        return behind_all(None) if following is None else (following[0], following[1] - _STEP)
    position, shift = anchor
    if following is None or following[0] != position:
        return position, shift + _STEP
    room = following[1] - shift
    return (position, shift + min(room // 2, _STEP)) if room > 1 else None


def make_room(shift: int, following: Sequence[int], *, is_all: bool) -> list[int]:
    """Return other shifts for some of those `following` one, all of one position, so that there is room behind that.

    `is_all` says that these are all; otherwise the last one stays, and the list is empty if there is too little room up
    to it: then more have to be moved on. No shift gets smaller, so that a client which reads page by page misses no
    member; it may see one again.
    """
    count = len(following) if is_all else len(following) - 1
    step = _STEP if is_all else min((following[-1] - shift) // (count + 1), _STEP)
    if step < _LEAST:
        return []
    return [max(each, shift + step * number) for number, each in enumerate(following[:count], 1)]
