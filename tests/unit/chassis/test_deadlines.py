from collections.abc import Callable, Iterator

import pytest

from chassis import deadlines
from chassis.deadlines import Deadline
from chassis.errors import CallerGoneError


@pytest.fixture(autouse=True)
def _nobody_waits_afterwards() -> Iterator[None]:
    yield
    deadlines.set_current(None)


def test_what_nobody_waits_for_has_no_deadline() -> None:
    deadlines.set_current(None)
    deadlines.require()


@pytest.mark.parametrize(("seconds", "is_awaited"), [(0.0, lambda: True), (-1.0, lambda: True), (60.0, lambda: False)])
def test_caller_whose_time_is_over_or_who_has_hung_up_is_gone(seconds: float, is_awaited: Callable[[], bool]) -> None:
    deadlines.set_current(Deadline.after(seconds, is_awaited))
    with pytest.raises(CallerGoneError):
        deadlines.require()


def test_caller_who_waits_is_served() -> None:
    deadlines.set_current(Deadline.after(60))
    deadlines.require()


def test_postponed_deadline_is_later() -> None:
    assert 9 < Deadline.after(4).postponed(6).left_s() <= 10
