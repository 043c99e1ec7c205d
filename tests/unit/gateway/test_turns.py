"""Turns of requests: whose is next, and how many begin before the process looks at what else has arrived."""

import itertools
import time
from functools import partial

import gevent
import pytest

from gateway.door.turns import (
    AT_ONCE,
    FIRST_AT_ONCE,
    LONG_ROUND_S,
    LONGEST_WAIT_S,
    MOST_WAITING,
    READ_AT_ONCE,
    Turns,
)
from metric_values import shown

HERE, ELSEWHERE = "192.0.2.1", "198.51.100.1"
numbers = itertools.count()


def wait(turns: Turns, *, first: bool = False) -> None:
    """Wait for the turn of a request from a source of its own."""
    turns.wait(f"source {next(numbers)}", first=first)


@pytest.fixture
def turns() -> Turns:
    gevent.sleep(0.001)  # a new round of the event loop
    return Turns(by_source=True)


def test_a_few_turns_of_each_round_are_free(turns: Turns) -> None:
    for _ in range(3):
        assert [turns.take_free(first=False) for _ in range(AT_ONCE + 2)] == [True] * AT_ONCE + [False] * 2
        gevent.sleep(0.001)


def test_turns_come_in_order_and_a_few_in_each_round(turns: Turns) -> None:
    begun: list[int] = []
    seen: list[int] = []

    def work(number: int) -> None:
        wait(turns)
        begun.append(number)

    def look() -> None:
        while len(begun) < 20:
            gevent.idle(2)
            seen.append(len(begun))

    everybody = [gevent.spawn(work, number) for number in range(20)]
    looking = gevent.spawn(look)
    gevent.joinall([*everybody, looking], timeout=5, raise_error=True)
    assert begun == list(range(20))
    assert max(after - before for before, after in zip([0, *seen], seen, strict=False)) <= 4


def test_turns_are_taken_when_so_many_wait_that_one_more_would_come_too_late(turns: Turns) -> None:
    waiting: list[gevent.Greenlet] = []
    while not turns.are_taken_for(HERE, first=False):
        assert len(waiting) < 6 * MOST_WAITING
        waiting += [gevent.spawn(wait, turns)]
        if len(waiting) % 32 == 0:
            gevent.sleep(0)
    gevent.joinall(waiting, timeout=5, raise_error=True)
    assert not turns.are_taken_for(HERE, first=False)


def test_turns_are_taken_when_the_first_who_waits_has_waited_for_long(turns: Turns) -> None:
    waiting = [gevent.spawn(turns.wait, HERE, first=False) for _ in range(2 * AT_ONCE)]
    gevent.sleep(0)
    refused = [turns.are_taken_for(HERE, first=False)]
    for part in (0.6, 0.5):  # of the longest wait, in which nobody gets a turn, since this greenlet goes on working
        time.sleep(part * LONGEST_WAIT_S)
        refused += [turns.are_taken_for(HERE, first=False), turns.are_taken_for(ELSEWHERE, first=False)]
    assert refused == [False, True, False, True, False]
    gevent.joinall(waiting, timeout=5, raise_error=True)
    assert not turns.are_taken_for(HERE, first=False)


def test_one_request_begins_in_each_round_while_rounds_are_long(turns: Turns) -> None:
    begun: list[int] = []
    of_round: list[int] = []

    def work() -> None:
        wait(turns)
        begun.append(1)

    def answer_for_long() -> None:
        while len(begun) < 10:
            time.sleep(2 * LONG_ROUND_S)
            gevent.idle(2)
            of_round.append(len(begun))

    everybody = [gevent.spawn(work) for _ in range(10)]
    gevent.joinall([*everybody, gevent.spawn(answer_for_long)], timeout=5, raise_error=True)
    assert max(after - before for before, after in itertools.pairwise(of_round)) == 1


def test_nobody_takes_a_free_turn_before_those_who_wait(turns: Turns) -> None:
    waiting = gevent.spawn(wait, turns)
    gevent.sleep(0)
    assert not turns.take_free(first=False)
    waiting.join(timeout=5)
    gevent.sleep(0.001)
    assert turns.take_free(first=False)


def test_who_goes_first_waits_for_nobody_unless_there_are_many(turns: Turns) -> None:
    waiting = [gevent.spawn(wait, turns) for _ in range(10 * AT_ONCE)]
    gevent.sleep(0)
    assert [turns.take_free(first=True) for _ in range(FIRST_AT_ONCE + 1)] == [True] * FIRST_AT_ONCE + [False]
    assert not waiting[-1].ready()
    gevent.joinall(waiting, timeout=5, raise_error=True)


def test_sixty_who_come_from_one_address_at_once_all_get_a_turn(turns: Turns) -> None:
    """They may be a household, an office, or one browser that shows a page of pictures."""
    waiting = []
    for _ in range(60):
        assert not turns.are_taken_for(HERE, first=False)
        waiting.append(gevent.spawn(turns.wait, HERE, first=False))
        gevent.sleep(0)
    gevent.joinall(waiting, timeout=5, raise_error=True)


@pytest.mark.parametrize("first", [False, True])
def test_source_that_sends_many_leaves_places_to_others(turns: Turns, *, first: bool) -> None:
    waiting = []
    while not turns.are_taken_for(HERE, first=first):
        waiting.append(gevent.spawn(turns.wait, HERE, first=first))
        assert len(waiting) < 2 * MOST_WAITING
        if len(waiting) % 32 == 0:
            gevent.sleep(0)
    for _ in range(12):  # so many that they wait among all others
        assert not turns.are_taken_for(ELSEWHERE, first=first)
        waiting.append(gevent.spawn(turns.wait, ELSEWHERE, first=first))
    gevent.sleep(0)
    assert not turns.are_taken_for(ELSEWHERE, first=first)
    assert not turns.are_taken_for(HERE, first=not first)
    gevent.joinall(waiting, timeout=5, raise_error=True)


def test_requests_of_the_same_moment_are_read_a_few_in_each_round(turns: Turns) -> None:
    read: list[int] = []

    def wait_to_read(number: int) -> None:
        turns.wait_to_read(HERE)
        read.append(number)

    everybody = [gevent.spawn(wait_to_read, number) for number in range(5 * READ_AT_ONCE)]
    gevent.sleep(0)
    assert len(read) <= 2 * READ_AT_ONCE
    gevent.joinall(everybody, timeout=5, raise_error=True)
    assert read == sorted(read)


def test_those_who_go_last_wait_a_moment_however_many_they_are(turns: Turns) -> None:
    waits: list[float] = []

    def wait_last() -> None:
        began = time.monotonic()
        turns.wait_last()
        waits.append(time.monotonic() - began)

    gevent.joinall([gevent.spawn(wait_last) for _ in range(2000)], raise_error=True)
    assert min(waits) >= 0.001
    assert max(waits) < 1  # a pause for each would have been 4 s


def test_turn_of_a_request_that_was_given_up_delays_nobody(turns: Turns) -> None:
    gone = [gevent.spawn(each) for each in (partial(wait, turns), turns.wait_last)]
    gevent.sleep(0)
    gevent.killall(gone)
    after = [gevent.spawn(each) for each in (partial(wait, turns), turns.wait_last)]
    assert len(gevent.joinall(after, timeout=2)) == len(after)


def test_requests_that_wait_for_their_turn_are_shown_by_line(turns: Turns) -> None:
    def waiting() -> dict[str, float]:
        lines = ("first", "next", "reading", "last")
        return {line: shown("imghost_turns_waiting", line=line) - before.get(line, 0) for line in lines}

    before: dict[str, float] = {}
    before = waiting()
    everybody = [gevent.spawn(wait, turns) for _ in range(5)]
    everybody += [gevent.spawn(wait, turns, first=True) for _ in range(4)]
    everybody += [gevent.spawn(turns.wait_last) for _ in range(3)]
    gevent.sleep(0)
    assert waiting() == {"first": 4, "next": 5, "reading": 0, "last": 3}
    gevent.joinall(everybody, timeout=5, raise_error=True)
    assert set(waiting().values()) == {0}
