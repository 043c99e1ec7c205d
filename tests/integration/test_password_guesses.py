"""Guessing passwords in spite of the throttle: by the time that answers take, and by many guesses at once."""

import base64
from collections.abc import Callable

import pytest

from auth import throttle, use_cases
from auth.adapters.store import Store
from auth.authentication import Authenticator, Policy
from auth.errors import OverloadedError, TooManyAttemptsError
from auth.passwords import Verifier, hash_password
from chassis.database.database import Database

SOURCE = "192.0.2.1"


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def authenticator(database: Database[Store], verifier: Verifier) -> Authenticator:
    return Authenticator(database, verifier, Policy(free_failures=1, max_delay_s=300, key_failures_a_minute=100))


@pytest.mark.parametrize("username", ["anna", "nobody", "no such name ever \0"])
def test_guess_at_a_name_that_does_not_exist_waits_for_a_slot_of_hashing_too(
    auth_database: Database[Store], username: str
) -> None:
    """If it were refused without hashing, the time that an answer takes would show which names exist."""
    auth_database.transact(use_cases.create_user, "anna", hash_password("right one"))
    verifier = Verifier(slots=1, wait_s=0.01, memory_s=10)
    with verifier._slot(), pytest.raises(OverloadedError):  # noqa: SLF001 - all slots taken
        authenticator(auth_database, verifier).authenticate(basic(username, "a guess"), SOURCE)


class Meanwhile(Verifier):
    """A verifier that calls `meanwhile` before it hashes."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__(slots=1, wait_s=5, memory_s=10)
        self._meanwhile = meanwhile

    def is_right(self, user_id: str, password: str, password_hash: str | None) -> bool:
        self._meanwhile()
        return super().is_right(user_id, password, password_hash)


def test_right_password_is_refused_if_its_account_was_blocked_while_it_was_hashed(
    auth_database: Database[Store],
) -> None:
    """Guesses that are sent all at once pass the first check together, before any of them has failed."""
    auth_database.transact(use_cases.create_user, "anna", hash_password("right one"))
    subject = throttle.account_subject("anna", SOURCE)

    def guess_wrong() -> None:
        for _ in range(9):  # blocks for minutes
            auth_database.transact(throttle.note_wrong_password, subject, 1, 300)

    with pytest.raises(TooManyAttemptsError):
        authenticator(auth_database, Meanwhile(guess_wrong)).authenticate(basic("anna", "right one"), SOURCE)
