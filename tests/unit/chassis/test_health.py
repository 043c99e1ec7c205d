import threading
import time

import pytest

from chassis import health


def broken() -> bool:
    raise OSError("away")


@pytest.mark.parametrize(("own", "shared"), [(True, True), (True, False), (False, True)])
def test_own_checks_decide_readiness_and_shared_ones_are_only_shown(own: bool, shared: bool) -> None:
    ready, document = health.examine({"start": lambda: own}, {"else": lambda: shared})
    assert ready is own
    assert (document["own"], document["shared"]) == ({"start": own}, {"else": shared})


def test_check_that_raises_has_failed() -> None:
    assert health.examine({}, {"else": broken}) == (True, {"status": "ready", "own": {}, "shared": {"else": False}})
    assert not health.examine({"start": broken}, {})[0]


def test_probe_does_not_wait_for_a_shared_check_that_hangs() -> None:
    """A probe that takes longer than a second counts as failed: all replicas would be unready at once."""
    end = threading.Event()
    began = time.monotonic()
    ready, document = health.examine({}, {"hanging": end.wait, "there": lambda: True})
    took_s = time.monotonic() - began
    end.set()
    assert ready
    assert document["shared"] == {"hanging": False, "there": True}
    assert took_s < 1


def test_check_that_passed_once_stays_passed() -> None:
    answers = iter([False, True, False])
    check = health.once(lambda: next(answers))
    assert [check() for _ in range(4)] == [False, True, True, True]


def test_reason_of_a_failed_check_is_shown_if_it_is_known() -> None:
    def refused() -> bool:
        raise health.CheckFailedError("pics: InvalidAccessKeyId")

    ready, document = health.examine({}, {"s3": refused, "broker": broken})
    assert ready
    assert document["shared"] == {"s3": False, "broker": False}
    assert document["reasons"] == {"s3": "pics: InvalidAccessKeyId"}
