from contextlib import ExitStack

import pytest

from gateway.errors import OverloadedError
from gateway.progress import Progress

HERE, ELSEWHERE = "192.0.2.1", "198.51.100.1"


def test_one_source_may_have_all_places_but_takes_none_from_others() -> None:
    progress = Progress(8)
    with ExitStack() as requests:
        for _ in range(8):
            assert not progress.is_full_for(HERE)
            requests.enter_context(progress.request(HERE))
        assert progress.is_full_for(HERE)
        assert not progress.is_full_for(ELSEWHERE)
    assert not progress.is_full_for(HERE)


def test_who_has_waited_for_a_turn_is_refused_only_if_there_are_far_too_many() -> None:
    progress = Progress(8)
    with ExitStack() as requests:
        for _ in range(15):
            requests.enter_context(progress.request(HERE))
        assert progress.is_full_for(HERE)
        assert not progress.is_full_for(HERE, has_waited=True)
        assert not progress.is_full_for(HERE, busy=True, has_waited=True)
        requests.enter_context(progress.request(HERE))
        assert progress.is_full_for(HERE, has_waited=True)


def test_many_sources_have_bounded_places_together() -> None:
    progress = Progress(8)
    with ExitStack() as requests:
        for number in range(16):
            assert not progress.is_full_for(f"192.0.2.{number}")
            requests.enter_context(progress.request(f"192.0.2.{number}"))
        assert progress.is_full_for(ELSEWHERE)


def test_while_a_service_is_busy_each_source_has_a_share() -> None:
    progress = Progress(8)
    with progress.request(HERE):
        assert not progress.is_full_for(HERE, busy=True)
        with progress.request(HERE):
            assert progress.is_full_for(HERE, busy=True)
            assert not progress.is_full_for(HERE)
            assert not progress.is_full_for(ELSEWHERE, busy=True)


def test_request_that_waits_for_its_client_takes_no_place() -> None:
    progress = Progress(1)
    with progress.request(HERE):
        assert progress.is_full_for(HERE)
        with progress.waiting(HERE):
            assert not progress.is_full_for(HERE)


def test_request_that_has_waited_is_refused_if_there_are_too_many_by_then() -> None:
    progress = Progress(1)

    def wait_while_another_one_comes() -> None:
        with progress.waiting(HERE):
            others.enter_context(progress.request(HERE))

    with ExitStack() as others, progress.request(HERE), pytest.raises(OverloadedError):
        wait_while_another_one_comes()
    assert not progress.is_full_for(HERE)
