"""Rotated API keys: the same key with a new secret, and for a while the old one; on both databases."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from auth import use_cases
from auth.adapters.store import Store
from auth.adapters.tables import api_keys
from auth.authentication import Authenticator, Policy
from auth.domain import ApiKey, Scope, User
from auth.errors import (
    ApiKeyNotFoundError,
    RotationRefusedError,
    SecretReplacedError,
    TooManyAttemptsError,
    UnauthorizedError,
)
from auth.keys import KeyName, new_key, parse_key
from auth.passwords import Verifier
from chassis.clock import now
from chassis.database.database import Database
from chassis.tokens import Principal

DAY = timedelta(days=1)


class Keys:
    """Makes, uses and rotates API keys of a user."""

    def __init__(self, database: Database[Store], user: User) -> None:
        self.database = database
        self.caller = Principal(user.user_id, user.username, "password")
        self._authenticator = Authenticator(
            database, Verifier(1, 9, 1, 1), Policy(3, 300, 1000, key_failures_a_minute=1)
        )

    def make(self, by: str | None = None, scopes: tuple[Scope, ...] | None = None) -> tuple[ApiKey, str]:
        """Make a key with the password, or with the key whose text is `by`."""
        return self.database.transact(use_cases.create_key, self.used(by), "", scopes=scopes)

    def rotate(self, key: ApiKey, overlap: timedelta = DAY, by: str | None = None) -> str:
        """Rotate a key with the password, or with the key whose text is `by`; return its new text."""
        name = KeyName(key.key_id)
        return self.database.transact(use_cases.rotate_key, self.used(by), name, overlap, lambda _: None)[1]

    def used(self, text: str | None) -> Principal:
        """Return who calls with a key, None for the password. Raise `UnauthorizedError`."""
        return self._authenticator.authenticate(f"Bearer {text}", "192.0.2.1") if text else self.caller

    def is_accepted(self, text: str) -> bool:
        """Return whether the key with this text opens anything."""
        try:
            self.used(text)
        except UnauthorizedError:
            return False
        return True

    def named(self, text: str) -> ApiKey:
        """Return the key that a path names by its whole text."""
        presented = parse_key(text)
        assert presented is not None
        return self.database.read(use_cases.get_key, self.caller, KeyName(presented.key_id, presented.digest))

    def end_overlap(self, moment: datetime | None = None) -> None:
        """Let the overlap of all keys be over by `moment`, by default now."""
        with self.database.engine.begin() as connection:
            connection.execute(api_keys.update().values(previous_expires_at=moment or now()))


@pytest.fixture
def keys(auth_database: Database[Store], anna: User) -> Keys:
    return Keys(auth_database, anna)


def test_rotated_key_is_the_same_key_with_another_secret(keys: Keys) -> None:
    key, old = keys.make(scopes=("read", "keys"))
    new = keys.rotate(key)
    assert new != old
    expected = Principal(keys.caller.user_id, "anna", "key", frozenset({"read", "keys"}), key.key_id)
    assert [replace(keys.used(text), credential_mark=None) for text in (new, old)] == [expected, expected]
    found = keys.named(new)
    assert (found.key_id, found.scopes, found.date_created) == (key.key_id, key.scopes, key.date_created)


def test_old_secret_is_accepted_until_the_overlap_ends(keys: Keys) -> None:
    key, old = keys.make()
    began = now()
    new = keys.rotate(key, timedelta(hours=5))
    ends = keys.named(new).previous_expires_at
    assert ends is not None
    assert timedelta(0) <= ends - began - timedelta(hours=5) < timedelta(minutes=1)
    assert keys.named(old).key_id == key.key_id
    assert keys.is_accepted(old)
    keys.end_overlap()
    assert (keys.is_accepted(old), keys.is_accepted(new)) == (False, True)
    with pytest.raises(ApiKeyNotFoundError):
        keys.named(old)


def test_without_overlap_the_old_secret_is_refused_at_once(keys: Keys) -> None:
    key, old = keys.make()
    new = keys.rotate(key, timedelta(0))
    assert (keys.is_accepted(old), keys.is_accepted(new)) == (False, True)


def test_secret_whose_overlap_is_over_is_no_guess(keys: Keys) -> None:
    key, old = keys.make()
    keys.rotate(key, timedelta(0))
    assert not keys.is_accepted(old)
    with pytest.raises(TooManyAttemptsError):  # since it is known: the others at this address go on
        keys.used(old)
    assert not keys.is_accepted(new_key())


def test_second_rotation_ends_the_oldest_of_three_secrets(keys: Keys) -> None:
    key, oldest = keys.make()
    old = keys.rotate(key)
    new = keys.rotate(key)
    assert (keys.is_accepted(new), keys.is_accepted(old)) == (True, True)
    assert not keys.is_accepted(oldest)
    with pytest.raises(ApiKeyNotFoundError):
        keys.named(oldest)


def test_revocation_ends_both_secrets(keys: Keys) -> None:
    key, old = keys.make()
    new = keys.rotate(key)
    keys.database.transact(use_cases.delete_key, keys.caller, KeyName(key.key_id), lambda _: None)
    for secret in (old, new):
        with pytest.raises(ApiKeyNotFoundError):
            keys.named(secret)


def test_old_secret_ends_with_its_key(keys: Keys) -> None:
    key, old = keys.make()
    keys.rotate(key)
    with keys.database.engine.begin() as connection:
        connection.execute(api_keys.update().values(expires_at=now()))
    assert not keys.is_accepted(old)


def test_children_are_not_rotated_with_their_parent(keys: Keys) -> None:
    parent, old = keys.make()
    child, secret = keys.make(by=old)
    keys.rotate(parent, timedelta(0))
    assert keys.is_accepted(secret)
    assert keys.named(secret).parent_id == parent.key_id
    assert child.parent_id == parent.key_id


def test_key_rotates_itself_and_what_was_made_with_it(keys: Keys) -> None:
    first, secret = keys.make()
    second, by_first = keys.make(by=secret)
    third, _ = keys.make(by=by_first)
    assert keys.is_accepted(keys.rotate(third, by=secret))
    assert keys.is_accepted(keys.rotate(second, by=secret))
    assert keys.is_accepted(keys.rotate(first, by=secret))


def test_key_does_not_get_the_secret_of_a_key_that_may_do_more_or_outlives_it(keys: Keys) -> None:
    mighty, mighty_secret = keys.make()
    weak, secret = keys.make(scopes=("keys",))
    child, by_child = keys.make(by=secret)
    for other, by in ((mighty, secret), (mighty, by_child), (weak, by_child)):
        with pytest.raises(RotationRefusedError):
            keys.rotate(other, by=by)
    assert keys.is_accepted(mighty_secret)
    assert child.parent_id == weak.key_id


def test_key_that_is_only_known_to_be_one_rotates_nothing(keys: Keys) -> None:
    """A token of an earlier release does not tell which key was used."""
    key, _ = keys.make()
    caller = Principal(keys.caller.user_id, "anna", "key")
    with pytest.raises(RotationRefusedError):
        keys.database.transact(use_cases.rotate_key, caller, KeyName(key.key_id), DAY, lambda _: None)


def test_previous_secret_neither_rotates_nor_makes_keys(keys: Keys) -> None:
    """Who has found an old secret must not be left with a new one, nor end the one that its owner has now."""
    key, old = keys.make()
    new = keys.rotate(key, DAY)
    assert keys.is_accepted(old)
    for refused in (lambda: keys.rotate(key, by=old), lambda: keys.make(by=old)):
        with pytest.raises(SecretReplacedError):
            refused()
    assert keys.is_accepted(new)
    assert keys.is_accepted(keys.rotate(key, by=new))


def test_request_that_was_begun_with_a_secret_before_its_rotation_makes_no_key(keys: Keys) -> None:
    key, old = keys.make()
    begun = keys.used(old)
    keys.rotate(key, timedelta(0))
    with pytest.raises(UnauthorizedError):
        keys.database.transact(use_cases.create_key, begun, "")
    with pytest.raises(UnauthorizedError):
        keys.database.transact(use_cases.rotate_key, begun, KeyName(key.key_id), DAY, lambda _: None)
