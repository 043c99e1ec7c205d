"""Places of members: there is always one, and those of other members change seldom, and never backwards."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog import places
from catalog.places import Place


class Members:
    """A collection by the rules of `places`: the places of its members; counts what is rewritten for others."""

    def __init__(self, count: int) -> None:
        self.places: list[Place] = []
        self.moved_on = self.most_moved_on = 0
        for _ in range(count):
            self.places.append(places.behind_all(self.places[-1] if self.places else None))

    def insert(self, index: int) -> None:
        """Put a new member behind `index` others."""
        anchor = self.places[index - 1] if index else None
        following = self.places[index] if index < len(self.places) else None
        place = places.between(anchor, following)
        if place is None and anchor is not None:
            self._make_room(anchor, index)
            place = places.between(anchor, self.places[index])
        assert place is not None
        self.places.insert(index, place)

    def _make_room(self, anchor: Place, index: int) -> None:
        count, shifts = 16, list[int]()
        while not shifts:
            crowd = [shift for position, shift in self.places[index : index + count] if position == anchor[0]]
            shifts = places.make_room(anchor[1], crowd, is_all=len(crowd) < count)
            count *= 2
        assert all(new >= old for new, old in zip(shifts, crowd, strict=False))
        self.places[index : index + len(shifts)] = [(anchor[0], shift) for shift in shifts]
        self.moved_on += len(shifts)
        self.most_moved_on = max(self.most_moved_on, len(shifts))

    def are_in_order(self) -> bool:
        return all(one < other for one, other in zip(self.places, self.places[1:], strict=False))


@given(st.lists(st.floats(0, 1), max_size=300), st.integers(0, 5))
def test_wherever_members_are_put_they_are_in_that_order(where: list[float], count: int) -> None:
    members = Members(count)
    for each in where:
        members.insert(round(each * len(members.places)))
    assert members.are_in_order()
    assert len(members.places) == count + len(where)


@pytest.mark.parametrize("index", [0, 1, 3, -1])
def test_few_others_are_rewritten_for_thousands_at_one_spot(index: int) -> None:
    members = Members(6)
    for _ in range(5_000):
        members.insert(index % len(members.places))
    assert members.are_in_order()
    assert members.moved_on < 20 * 5_000


def test_members_that_are_put_one_behind_the_other_rewrite_none() -> None:
    members = Members(6)
    for index in range(2, 20_002):
        members.insert(index)
    assert members.are_in_order()
    assert members.moved_on == 0


@pytest.mark.parametrize("seed", range(3))
def test_places_last_however_members_are_crammed(seed: int) -> None:
    chance = random.Random(seed)
    members = Members(3)
    for _ in range(5_000):
        members.insert(min(len(members.places), 1 + int(chance.expovariate(0.3))))
    assert members.are_in_order()
    assert max(abs(shift) for _, shift in members.places) < 2**62
