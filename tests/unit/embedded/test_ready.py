import pytest

from embedded.faults import RunFailed
from embedded.parts.ports import free_ports
from embedded.processes.ready import answers_ok, wait_for


def test_wait_ends_when_each_has_said_yes_once() -> None:
    slow, quick = iter([False, False, True]), iter([True])

    wait_for({"slow": lambda: next(slow), "quick": lambda: next(quick)}, check=lambda: None, within_s=5)


def test_those_that_never_get_ready_are_named() -> None:
    with pytest.raises(RunFailed, match=r"^never: not ready within 0 s"):
        wait_for({"ready": lambda: True, "never": lambda: False}, check=lambda: None, within_s=0.2)


def test_what_goes_wrong_meanwhile_ends_the_wait() -> None:
    def check() -> None:
        raise RunFailed("gone")

    with pytest.raises(RunFailed, match="gone"):
        wait_for({"never": lambda: False}, check=check, within_s=60)


def test_nobody_there_is_not_ready() -> None:
    assert not answers_ok(f"http://127.0.0.1:{free_ports(1)[0]}/readyz")()
