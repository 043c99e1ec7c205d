"""API keys that were made with another key: never more than that one, and revoked with it; on both databases."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from auth import use_cases
from auth.adapters.store import Store
from auth.adapters.tables import api_keys
from auth.domain import SCOPES, ApiKey, Scope, User, mark_of
from auth.errors import TooManyGenerationsError, UnacceptableFieldError, UnauthorizedError
from auth.keys import KeyName
from chassis.clock import now
from chassis.database.database import Database
from chassis.tokens import Principal
from deadlines import until

LATER = timedelta(hours=1)
Work = Callable[[Store], object]


class Keys:
    """Makes and revokes API keys of a user."""

    def __init__(self, database: Database[Store], user: User) -> None:
        self.database = database
        self.user = user

    def make(
        self,
        parent: ApiKey | None = None,
        expires_at: datetime | None = None,
        scopes: tuple[Scope, ...] | None = None,
    ) -> ApiKey:
        """Make a key with the password, or with the key `parent`."""
        caller = self.caller(parent)
        key, _ = self.database.transact(use_cases.create_key, caller, "", expires_at=expires_at, scopes=scopes)
        return self.database.read(use_cases.get_key, caller, KeyName(key.key_id))

    def revoke(self, key: ApiKey) -> None:
        """Revoke a key with the password."""
        self.database.transact(self.revocation(key))

    def revocation(self, key: ApiKey) -> Work:
        """Return what revokes a key with the password, in a transaction."""
        return lambda store: use_cases.delete_key(store, self.caller(), KeyName(key.key_id), lambda _: None)

    def left(self) -> set[str]:
        """Return the ids of all keys."""
        with self.database.engine.connect() as connection:
            return set(connection.scalars(sa.select(api_keys.c.key_id)))

    def caller(self, key: ApiKey | None = None) -> Principal:
        if key is None:
            return Principal(self.user.user_id, self.user.username, "password")
        return Principal(self.user.user_id, self.user.username, "key", frozenset(key.scopes), key.key_id)


@pytest.fixture
def keys(auth_database: Database[Store], anna: User) -> Keys:
    return Keys(auth_database, anna)


def test_key_made_with_a_key_is_its_child_and_one_made_with_the_password_is_nobodys(keys: Keys) -> None:
    parent = keys.make()
    assert (parent.parent_id, keys.make(parent).parent_id) == (None, parent.key_id)


def test_child_is_like_its_parent_unless_less_is_asked_for(keys: Keys) -> None:
    parent = keys.make(expires_at=now() + 2 * LATER, scopes=("read", "keys"))
    child = keys.make(parent)
    assert (child.scopes, child.expires_at) == (parent.scopes, parent.expires_at)
    less = keys.make(parent, now() + LATER, ("read",))
    assert less.scopes == ("read",)
    assert less.expires_at is not None
    assert less.expires_at < now() + 2 * LATER
    assert keys.make(parent, parent.expires_at, parent.scopes).expires_at == parent.expires_at


def test_child_of_a_key_that_never_expires_may_expire_or_not(keys: Keys) -> None:
    parent = keys.make()
    moment = now() + LATER
    assert keys.make(parent).expires_at is None
    assert keys.make(parent, moment).expires_at == moment


@pytest.mark.parametrize("scopes", [("write",), ("read", "upload"), SCOPES])
def test_child_has_no_scope_that_its_parent_lacks(keys: Keys, scopes: tuple[Scope, ...]) -> None:
    parent = keys.make(scopes=("read", "keys"))
    with pytest.raises(UnacceptableFieldError) as told:
        keys.make(parent, scopes=scopes)
    assert (told.value.field, told.value.field_code) == ("scopes", "beyond-parent")
    assert keys.left() == {parent.key_id}


def test_child_expires_with_its_parent_at_the_latest(keys: Keys) -> None:
    parent = keys.make(expires_at=now() + LATER)
    assert parent.expires_at is not None
    with pytest.raises(UnacceptableFieldError) as told:
        keys.make(parent, parent.expires_at + timedelta(microseconds=1))
    assert (told.value.field, told.value.field_code) == ("expires_at", "beyond-parent")
    assert keys.left() == {parent.key_id}


def test_limits_are_those_of_the_parent_and_not_of_the_token(keys: Keys) -> None:
    """A token of an earlier release tells no scopes, and yet the key may have few."""
    parent = keys.make(scopes=("read", "keys"))
    caller = Principal(keys.user.user_id, keys.user.username, "key", None, parent.key_id)
    with pytest.raises(UnacceptableFieldError):
        keys.database.transact(use_cases.create_key, caller, "", scopes=("write",))
    child, _ = keys.database.transact(use_cases.create_key, caller, "")
    assert child.scopes == parent.scopes


def test_all_descendants_are_revoked_with_a_key_and_nothing_else(keys: Keys) -> None:
    root, other = keys.make(), keys.make()
    children = [keys.make(root) for _ in range(3)]
    grandchildren = [keys.make(child) for child in children]
    sibling_line = keys.make(other)
    keys.revoke(children[0])
    survivors = {key.key_id for key in (root, other, sibling_line, *children[1:], *grandchildren[1:])}
    assert keys.left() == survivors
    keys.revoke(root)
    assert keys.left() == {other.key_id, sibling_line.key_id}


def test_user_is_deleted_with_all_generations(keys: Keys) -> None:
    keys.make(keys.make(keys.make()))
    keys.database.transact(use_cases.delete_user, keys.user.username)
    assert keys.left() == set()


def test_generations_are_limited_so_that_the_first_can_be_revoked_with_all(keys: Keys) -> None:
    line = [keys.make()]
    while len(line) < 8:
        line.append(keys.make(line[-1]))
    with pytest.raises(TooManyGenerationsError):
        keys.make(line[-1])
    keys.make(line[-2])
    keys.revoke(line[0])
    assert keys.left() == set()


def test_key_that_was_revoked_after_its_authentication_makes_no_key(keys: Keys) -> None:
    parent = keys.make()
    keys.revoke(parent)
    with pytest.raises(UnauthorizedError):
        keys.database.transact(use_cases.create_key, keys.caller(parent), "")
    assert keys.left() == set()


def test_key_that_has_expired_after_its_authentication_makes_no_key(keys: Keys) -> None:
    parent = keys.make(expires_at=now() + LATER)
    with keys.database.engine.begin() as connection:
        connection.execute(api_keys.update().values(expires_at=now()))
    with pytest.raises(UnauthorizedError):
        keys.database.transact(use_cases.create_key, keys.caller(parent), "")
    assert keys.left() == {parent.key_id}


class Racing:
    """Two transactions on PostgreSQL of which the second has to wait for the first."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self._done, self._go = threading.Event(), threading.Event()

    def run(self, first: Work, second: Work) -> list[type[BaseException] | None]:
        """Run both, and commit the first when the second waits; return the class of the error of each."""
        with ThreadPoolExecutor(2) as threads:
            before = threads.submit(self.keys.database.transact, self._keep_open, first)
            assert self._done.wait(20)
            after = threads.submit(self.keys.database.transact, second)
            until(self._waiting, 20, "the second transaction does not wait")
            self._go.set()
            return [type(fault) if (fault := each.exception(20)) else None for each in (before, after)]

    def _keep_open(self, store: Store, work: Work) -> None:
        work(store)
        self._done.set()
        assert self._go.wait(20)

    def _waiting(self) -> int:
        here = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        with self.keys.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            return connection.scalar(sa.text(f"{here} AND wait_event_type = 'Lock'")) or 0


def creation(caller: Principal) -> Work:
    return lambda store: use_cases.create_key(store, caller, "")


@pytest.mark.parametrize("any_database_url", ["postgresql"], indirect=True)
def test_child_that_is_made_while_its_parent_is_revoked_does_not_come_to_be(keys: Keys) -> None:
    parent = keys.make()
    raced = Racing(keys).run(keys.revocation(parent), creation(keys.caller(parent)))
    assert (raced, keys.left()) == ([None, UnauthorizedError], set())


@pytest.mark.parametrize("any_database_url", ["postgresql"], indirect=True)
def test_parent_that_is_revoked_while_a_child_is_made_takes_it_along(keys: Keys) -> None:
    parent = keys.make()
    raced = Racing(keys).run(creation(keys.caller(parent)), keys.revocation(parent))
    assert (raced, keys.left()) == ([None, None], set())


@pytest.mark.parametrize("any_database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("first", ["creation", "change"])
def test_no_key_is_left_that_was_made_with_a_password_while_that_was_changed(keys: Keys, first: str) -> None:
    caller = replace(keys.caller(), credential_mark=mark_of(keys.user.password_hash))

    def change(store: Store) -> None:
        use_cases.change_password(store, keys.user, "another", revoke_api_keys=True)

    if first == "creation":
        assert Racing(keys).run(creation(caller), change) == [None, None]
    else:
        assert Racing(keys).run(change, creation(caller)) == [None, UnauthorizedError]
    assert keys.left() == set()
