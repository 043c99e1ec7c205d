"""Guessing passwords in spite of the throttle: by the time that answers take, and by many guesses at once."""

import base64
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from threading import Event

import pytest

from auth import throttle, use_cases
from auth.adapters.store import Store
from auth.authentication import Authenticator, Policy
from auth.errors import OverloadedError, TooManyAttemptsError, UnauthorizedError
from auth.passwords import Verifier, hash_password
from chassis.database.database import Database
from deadlines import until

SOURCE = "192.0.2.1"
POLICY = Policy(free_failures=1, max_delay_s=300, password_failures_a_minute=10, key_failures_a_minute=100)


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


@contextmanager
def all_slots_taken(verifier: Verifier) -> Iterator[None]:
    """Keep the only thread that hashes busy in the body."""
    done = Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(verifier._submit, done.wait)  # noqa: SLF001
        try:
            until(lambda: not verifier._places._value, 5, "the slot is free still")  # noqa: SLF001
            yield
        finally:
            done.set()


def authenticator(database: Database[Store], verifier: Verifier) -> Authenticator:
    return Authenticator(database, verifier, POLICY)


@pytest.mark.parametrize("username", ["anna", "nobody", "no such name ever \0"])
def test_guess_at_a_name_that_does_not_exist_waits_for_a_slot_of_hashing_too(
    auth_database: Database[Store], username: str
) -> None:
    """If it were refused without hashing, the time that an answer takes would show which names exist."""
    auth_database.transact(use_cases.create_user, "anna", hash_password("right one"))
    verifier = Verifier(slots=1, queue=0, wait_s=5, memory_s=10)
    with all_slots_taken(verifier), pytest.raises(OverloadedError):
        authenticator(auth_database, verifier).authenticate(basic(username, "a guess"), SOURCE)


class Meanwhile(Verifier):
    """A verifier that calls `meanwhile` before it hashes."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__(slots=1, queue=1, wait_s=5, memory_s=10)
        self._meanwhile = meanwhile

    def is_right(self, user_id: str, password: str, password_hash: str | None, source: str) -> bool:
        self._meanwhile()
        return super().is_right(user_id, password, password_hash, source)


def test_right_password_is_refused_if_its_account_was_blocked_while_it_was_hashed(
    auth_database: Database[Store],
) -> None:
    """Guesses that are sent all at once pass the first check together, before any of them has failed."""
    auth_database.transact(use_cases.create_user, "anna", hash_password("right one"))
    subject, all_accounts = throttle.account_subject("anna", SOURCE), throttle.source_subject(SOURCE)

    def guess_wrong() -> None:
        for _ in range(9):  # blocks for minutes
            auth_database.transact(throttle.note_wrong_password, subject, all_accounts, 1, 300)

    with pytest.raises(TooManyAttemptsError):
        authenticator(auth_database, Meanwhile(guess_wrong)).authenticate(basic("anna", "right one"), SOURCE)


def test_spray_over_many_accounts_blocks_its_source_and_no_other(auth_database: Database[Store]) -> None:
    auth_database.transact(use_cases.create_user, "anna", hash_password("right one"))
    guessed = authenticator(auth_database, Verifier(slots=1, queue=1, wait_s=5, memory_s=10))
    for number in range(10):
        with pytest.raises(UnauthorizedError):
            guessed.authenticate(basic(f"user{number}", "a guess"), SOURCE)
    for username in ("another", "anna"):
        with pytest.raises(TooManyAttemptsError) as told:
            guessed.authenticate(basic(username, "right one"), SOURCE)
        assert 1 <= int(told.value.headers["Retry-After"]) <= 60
    assert guessed.authenticate(basic("anna", "right one"), "192.0.2.2").username == "anna"


def test_password_that_is_remembered_passes_while_its_source_is_blocked(auth_database: Database[Store]) -> None:
    auth_database.transact(use_cases.create_user, "anna", hash_password("right one"))
    guessed = authenticator(auth_database, Verifier(slots=1, queue=1, wait_s=5, memory_s=60))
    guessed.authenticate(basic("anna", "right one"), SOURCE)
    for number in range(10):
        with pytest.raises(UnauthorizedError):
            guessed.authenticate(basic(f"user{number}", "a guess"), SOURCE)
    assert guessed.authenticate(basic("anna", "right one"), SOURCE).username == "anna"


def test_owner_who_logs_in_does_not_give_the_guesses_of_their_source_another_start(
    auth_database: Database[Store],
) -> None:
    auth_database.transact(use_cases.create_user, "anna", hash_password("right one"))
    policy = replace(POLICY, free_failures=3)
    guessed = Authenticator(auth_database, Verifier(slots=1, queue=1, wait_s=5, memory_s=0), policy)
    for _ in range(2):
        with pytest.raises(UnauthorizedError):
            guessed.authenticate(basic("anna", "a guess"), SOURCE)
    guessed.authenticate(basic("anna", "right one"), SOURCE)
    with pytest.raises(UnauthorizedError):
        guessed.authenticate(basic("anna", "a guess"), SOURCE)
    with pytest.raises(TooManyAttemptsError):
        guessed.authenticate(basic("anna", "a guess"), SOURCE)


def test_remembered_password_of_another_source_is_not_told_to_one_that_guesses(auth_database: Database[Store]) -> None:
    """Wrong guesses of a blocked source are refused unseen: a right one must not be answered otherwise."""
    auth_database.transact(use_cases.create_user, "anna", hash_password("right one"))
    guessed = authenticator(auth_database, Verifier(slots=1, queue=1, wait_s=5, memory_s=60))
    guessed.authenticate(basic("anna", "right one"), "192.0.2.2")
    for number in range(10):
        with pytest.raises(UnauthorizedError):
            guessed.authenticate(basic(f"user{number}", "a guess"), SOURCE)
    for password in ("right one", "a guess"):
        with pytest.raises(TooManyAttemptsError):
            guessed.authenticate(basic("anna", password), SOURCE)


def test_guesses_that_are_refused_unseen_count_for_their_account(auth_database: Database[Store]) -> None:
    guessed = authenticator(auth_database, Verifier(slots=1, queue=1, wait_s=5, memory_s=60))
    for number in range(10):
        with pytest.raises(UnauthorizedError):
            guessed.authenticate(basic(f"user{number}", "a guess"), SOURCE)
    for _ in range(6):
        with pytest.raises(TooManyAttemptsError):
            guessed.authenticate(basic("anna", "a guess"), SOURCE)
    known = auth_database.read(Store.failures, throttle.account_subject("anna", SOURCE))
    assert known is not None
    assert known.date_blocked_until > auth_database.read(Store.now)
