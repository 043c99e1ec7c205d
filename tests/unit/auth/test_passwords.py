import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from auth.errors import OverloadedError
from auth.passwords import Verifier, hash_password


def test_right_password_is_told_from_wrong() -> None:
    verifier = Verifier(slots=1, wait_s=1, memory_s=10)
    stored = hash_password("right one")
    assert verifier.is_right("id", "right one", stored)
    assert not verifier.is_right("id", "wrong one", stored)
    assert not verifier.is_right("", "right one", None)


def test_remembered_password_is_forgotten_with_its_hash() -> None:
    """A changed password makes useless what any process remembers of the old one."""
    verifier = Verifier(slots=1, wait_s=1, memory_s=60)
    assert verifier.is_right("id", "old one!", hash_password("old one!"))
    assert not verifier.is_right("id", "old one!", hash_password("new one!"))


def test_remembered_password_takes_no_slot() -> None:
    verifier = Verifier(slots=1, wait_s=0.01, memory_s=60)
    stored = hash_password("password")
    assert verifier.is_right("id", "password", stored)
    with verifier._slot():  # noqa: SLF001 - all slots taken
        assert verifier.is_right("id", "password", stored)
        with pytest.raises(OverloadedError):
            verifier.is_right("id", "another", stored)


def test_load_is_shed_rather_than_queued() -> None:
    verifier = Verifier(slots=1, wait_s=0.05, memory_s=0)
    stored = hash_password("password")
    start = threading.Barrier(12)

    def attempt(number: int) -> bool:
        start.wait()
        try:
            verifier.is_right("id", f"guess {number}", stored)
        except OverloadedError:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        served = list(pool.map(attempt, range(12)))
    assert True in served
    assert False in served
