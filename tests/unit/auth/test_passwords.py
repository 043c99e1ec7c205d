import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from auth.errors import OverloadedError
from auth.passwords import Verifier, hash_password, is_password
from deadlines import until
from metric_values import shown

HERE = "192.0.2.1"


def test_right_password_is_told_from_wrong() -> None:
    verifier = Verifier(slots=1, queue=1, wait_s=1, memory_s=10)
    stored = hash_password("right one")
    assert verifier.is_right("id", "right one", stored, HERE)
    assert not verifier.is_right("id", "wrong one", stored, HERE)
    assert not verifier.is_right("", "right one", None, HERE)


def test_hash_is_argon2id_with_a_salt_and_at_least_what_owasp_asks_for() -> None:
    stored, again = hash_password("password"), hash_password("password")
    _, kind, version, costs, salt, digest = stored.split("$")
    cost = {name: int(number) for name, _, number in (each.partition("=") for each in costs.split(","))}
    assert (kind, version) == ("argon2id", "v=19")
    assert cost["m"] >= 19 * 1024
    assert cost["t"] >= 2
    assert min(len(salt), len(digest)) >= 22  # 128 bits in base64
    assert salt not in again


def test_remembered_password_is_forgotten_with_its_hash() -> None:
    """A changed password makes useless what any process remembers of the old one."""
    verifier = Verifier(slots=1, queue=1, wait_s=1, memory_s=60)
    assert verifier.is_right("id", "old one!", hash_password("old one!"), HERE)
    assert not verifier.is_right("id", "old one!", hash_password("new one!"), HERE)


def test_password_is_remembered_for_its_user_and_hash_only() -> None:
    verifier = Verifier(slots=1, queue=1, wait_s=1, memory_s=60)
    stored = hash_password("password")
    assert not verifier.remembers("id", "password", stored, HERE)
    assert verifier.is_right("id", "password", stored, HERE)
    assert verifier.remembers("id", "password", stored, HERE)
    assert not verifier.remembers("id", "passwort", stored, HERE)
    assert not verifier.remembers("other", "password", stored, HERE)
    assert not verifier.remembers("id", "password", stored, "192.0.2.2")
    assert not verifier.remembers("id", "password", hash_password("password"), HERE)
    assert not verifier.remembers("id", "password", None, HERE)


def attempts(verifier: Verifier, passwords: list[str], stored: str) -> list[bool | None]:
    """Verify all `passwords` at once; None for those that were refused."""
    start = threading.Barrier(len(passwords))

    def attempt(password: str) -> bool | None:
        start.wait()
        try:
            return verifier.is_right("id", password, stored, HERE)
        except OverloadedError:
            return None

    with ThreadPoolExecutor(len(passwords)) as pool:
        return list(pool.map(attempt, passwords))


def test_no_more_passwords_wait_for_hashing_than_may() -> None:
    verifier = Verifier(slots=1, queue=3, wait_s=10, memory_s=0)
    answers = attempts(verifier, [f"guess {number}" for number in range(12)], hash_password("password"))
    assert answers.count(False) >= 4
    assert answers.count(None) >= 1


def test_password_that_waits_too_long_is_refused() -> None:
    verifier = Verifier(slots=1, queue=20, wait_s=0.05, memory_s=0)
    answers = attempts(verifier, [f"guess {number}" for number in range(12)], hash_password("password"))
    assert answers.count(None) >= 6


def test_password_that_is_sent_several_times_at_once_is_hashed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []

    def counted(stored: str, password: str) -> bool:
        hashed.append(password)
        return is_password(stored, password)

    verifier = Verifier(slots=1, queue=9, wait_s=5, memory_s=60)
    stored = hash_password("password")
    monkeypatch.setattr("auth.passwords.is_password", counted)
    assert attempts(verifier, ["password"] * 8, stored) == [True] * 8
    assert hashed == ["password"]


def test_passwords_that_wait_are_hashed_and_are_not_hashed_are_counted() -> None:
    def counts() -> tuple[float, ...]:
        shed = [shown("imghost_password_hashes_shed_total", reason=reason) for reason in ("full", "late")]
        return (shown("imghost_password_hash_duration_seconds_count", purpose="verify"), *shed)

    hashed_before, full_before, late_before = counts()
    verifier = Verifier(slots=1, queue=3, wait_s=2, memory_s=0)
    answers = attempts(verifier, [f"guess {number}" for number in range(12)], hash_password("password"))
    hashed, full, late = counts()
    assert (full - full_before) + (late - late_before) == answers.count(None) > 0
    assert hashed - hashed_before >= answers.count(False) > 0
    Verifier(slots=1, queue=1, wait_s=10, memory_s=0).hash_new("another")
    assert shown("imghost_password_hash_duration_seconds_count", purpose="new") >= 1
    states = ("waiting", "running")
    until(lambda: not any(shown("imghost_password_hashes", state=state) for state in states), 5, "some seem to wait")
