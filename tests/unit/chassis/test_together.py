"""What threads ask for at a time is done at once, and none of them notices the others."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from chassis.errors import DependencyDownError
from chassis.together import Together
from deadlines import until


class Work:
    """Doubles what it is asked for; the first call waits for `go`, so that others come meanwhile."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.go = threading.Event()

    def __call__(self, asked: Sequence[int]) -> list[int]:
        self.calls.append([*asked])
        if len(self.calls) == 1:
            assert self.go.wait(10)
        if -1 in asked:
            raise ValueError("minus one")
        if -2 in asked:
            raise DependencyDownError("database")
        if -3 in asked:
            raise SystemExit
        if -4 in asked:
            return [0]
        return [2 * each for each in asked]


def asked_for(numbers: Sequence[int], about: int = 1000, most: int = 4) -> tuple[Work, list[int | BaseException]]:
    """Have a thread ask for 0, and others for `numbers` in their order meanwhile; return what came of those."""
    work = Work()
    together: Together[int, int] = Together(work, lambda number: number % about, most)
    with ThreadPoolExecutor(len(numbers) + 1) as threads:
        first = threads.submit(together, 0)
        until(lambda: work.calls, 10, "nothing is done")
        others = []
        for number in numbers:
            others.append(threads.submit(together, number))
            until(lambda: len(together._waiting) == len(others), 10, "a thread does not wait")  # noqa: SLF001
        work.go.set()
        assert first.result(10) == 0
        return work, [other.exception(10) or other.result() for other in others]


def test_what_comes_meanwhile_is_done_together_in_its_order() -> None:
    work, made = asked_for([1, 2, 3, 4, 5])
    assert made == [2, 4, 6, 8, 10]
    assert work.calls == [[0], [1, 2, 3, 4], [5]]


def test_no_two_about_the_same_go_together() -> None:
    work, made = asked_for([1, 11, 2, 21, 3], about=10)
    assert made == [2, 22, 4, 42, 6]
    assert work.calls == [[0], [1, 2, 3], [11], [21]]


def test_none_fails_because_of_another() -> None:
    work, made = asked_for([1, -1, 2])
    assert (made[0], made[2]) == (2, 4)
    assert isinstance(made[1], ValueError)
    assert work.calls == [[0], [1, -1, 2], [1], [-1], [2]]


def test_dependency_that_is_down_is_not_asked_for_each() -> None:
    work, made = asked_for([1, -2, 2])
    assert [type(each) for each in made] == [DependencyDownError] * 3
    assert work.calls == [[0], [1, -2, 2]]


def test_nobody_waits_for_ever_when_the_process_is_to_end() -> None:
    work, made = asked_for([1, -3, 2])
    assert [type(each) for each in made] == [SystemExit] * 3
    assert work.calls == [[0], [1, -3, 2]]


def test_each_is_done_alone_where_the_answers_are_too_few() -> None:
    work, made = asked_for([1, -4, 2])
    assert made == [2, 0, 4]
    assert work.calls == [[0], [1, -4, 2], [1], [-4], [2]]


def test_one_alone_fails_with_its_own_fault() -> None:
    work = Work()
    work.go.set()
    with pytest.raises(ValueError, match="minus one"):
        Together(work, hash, 4)(-1)
    assert work.calls == [[-1]]
