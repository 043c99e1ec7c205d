"""What auth does: one function for each thing, run in one transaction."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache

from auth import domain, keys, messages
from auth.adapters.store import Store
from auth.domain import MOST_GENERATIONS, SCOPES, ApiKey, Scope, User
from auth.errors import (
    AlreadyDisabledError,
    ApiKeyNotFoundError,
    KeyOverError,
    NotADescendantError,
    NotDisabledError,
    PasswordRequiredError,
    QuotaExceededError,
    RotationRefusedError,
    SecretReplacedError,
    TooManyGenerationsError,
    UnauthorizedError,
    UserDisabledError,
    UsernameTakenError,
    UserNotFoundError,
    WrongPasswordError,
)
from auth.keys import KeyName, PresentedKey
from chassis.clock import now
from chassis.tokens import Principal


def create_user(store: Store, username: str, password_hash: str) -> User:
    """Make a user. Raise `UnacceptableError` or `UsernameTakenError` if the name may not be used."""
    domain.check_username(username)
    user = User(str(uuid.uuid4()), username, password_hash, now())
    store.add_user(user)
    return user


def create_first_user(store: Store, username: str, password_hash: str) -> User | None:
    """Make a user and return it; return None if there is any user already."""
    return None if store.users() else create_user(store, username, password_hash)


def find_user(store: Store, username: str) -> User:
    """Return the user with this name. Raise `UserNotFoundError` if there is none."""
    # A name that no user can have is none that the database can be asked for, either: PostgreSQL takes Unicode only.
    user = store.user(username) if domain.USERNAME.fullmatch(username) else None
    if user is None:
        raise UserNotFoundError
    return user


def set_password(
    store: Store, username: str, password_hash: str, *, revoke_api_keys: bool = False
) -> tuple[User, Sequence[str]]:
    """Replace a user's password, and with `revoke_api_keys` revoke all their API keys. Raise `UserNotFoundError`.

    The next request with the old password, or with one of the keys, is refused. Return the user, and the ids of the
    keys that are revoked.
    """
    user = find_user(store, username)
    store.set_password_hash(user.user_id, password_hash)
    return user, store.delete_keys(user.user_id) if revoke_api_keys else ()


def list_all_keys(store: Store, username: str | None) -> Sequence[tuple[User, ApiKey]]:
    """Return all API keys with their users, or those of one user. Raise `UserNotFoundError`."""
    return store.keys_with_users(find_user(store, username).user_id if username is not None else None)


def revoke_key(store: Store, name: KeyName) -> tuple[User, Sequence[str]]:
    """Revoke an API key of any user, who is returned, and all that descend from it, whose ids are returned.

    Raise `ApiKeyNotFoundError` if there is none, or a whole key with this id never had this secret: anybody may make up
    such a key.
    """
    key = store.key(name.key_id, locked=True)
    user = store.user_by_id(key.user_id) if key is not None else None
    if key is None or user is None or (name.digest is not None and not key.had_secret(name.digest)):
        raise ApiKeyNotFoundError
    descendants = store.descendants(key.key_id)
    store.delete_key(key.key_id)
    return user, descendants


def change_password(
    store: Store, user: User, password_hash: str, *, revoke_api_keys: bool = False
) -> tuple[Sequence[str], int]:
    """Replace the password of `user`, and with `revoke_api_keys` revoke all their API keys.

    Return the ids of those that were revoked, and how many are left.

    Raise `WrongPasswordError` if the password changed since the caller confirmed it, and `UserDisabledError` if they
    were disabled since.
    """
    revoked: Sequence[str] = ()
    if not store.replace_password_hash(user.user_id, user.password_hash, password_hash):
        found = store.user_by_id(user.user_id)
        raise UserDisabledError if found is not None and found.date_disabled else WrongPasswordError
    if revoke_api_keys:
        revoked = store.delete_keys(user.user_id)
    return revoked, store.count_keys(user.user_id)


def disable_user(store: Store, username: str) -> User:
    """Have all credentials of a user refused from the next request on. All that is theirs stays.

    Raise `AlreadyDisabledError` or `UserNotFoundError`.
    """
    user, moment = find_user(store, username), store.now()
    if not store.disable_user(user.user_id, moment):
        raise AlreadyDisabledError(username) if store.user_by_id(user.user_id) else UserNotFoundError
    return replace(user, date_disabled=moment)


def enable_user(store: Store, username: str) -> User:
    """Have the credentials of a disabled user accepted again, as they were. Raise as `disable_user`."""
    user = find_user(store, username)
    if not store.enable_user(user.user_id):
        raise NotDisabledError(username) if store.user_by_id(user.user_id) else UserNotFoundError
    return replace(user, date_disabled=None)


def rename_user(store: Store, username: str, new: str) -> User:
    """Give a user the name `new`; the old one is free at once, since everything that is theirs names their id.

    Other services keep no names: they learn the name of the caller from the token of each request. Raise
    `UnacceptableError`, `UsernameTakenError` (for the own name, too) or `UserNotFoundError`.
    """
    domain.check_username(new)
    user = find_user(store, username)
    if new == username:
        raise UsernameTakenError(new)
    if not store.rename_user(user.user_id, new):
        raise UserNotFoundError
    return replace(user, username=new)


def delete_user(store: Store, username: str) -> tuple[User, Sequence[str]]:
    """Delete a user and their API keys, whose ids are returned, and send `user.deleted`. Raise `UserNotFoundError`."""
    user = find_user(store, username)
    if not store.lock_user(user.user_id):  # so that no key is made meanwhile, and goes without being named
        raise UserNotFoundError
    revoked = store.delete_keys(user.user_id)
    store.delete_user(user.user_id)
    store.send(messages.user_deleted(user.user_id))
    return user, revoked


def find_presented_key(store: Store, presented: PresentedKey) -> tuple[ApiKey, User] | None:
    """Return the API key that a client presented, and its user, or None if it is unknown or revoked.

    Raise `KeyOverError` if it, or the secret that was presented, has expired.
    """
    found = store.key_with_user(presented.key_id)
    return found if found is not None and _is_right(found[0], presented, store.now) else None


def find_presented_keys(store: Store, presented: Sequence[PresentedKey]) -> Mapping[PresentedKey, tuple[ApiKey, User]]:
    """Return those of the API keys that clients presented that are valid, each with its user."""
    known = store.keys_with_ids([each.key_id for each in presented])
    now = cache(store.now)
    found = {}
    for each in presented:
        with suppress(KeyOverError):
            if each.key_id in known and _is_right(known[each.key_id][0], each, now):
                found[each] = known[each.key_id]
    return found


def _is_right(key: ApiKey, presented: PresentedKey, now: Callable[[], datetime]) -> bool:
    """Return whether the secret of `key` was presented. Raise `KeyOverError` if that, or the key, has expired."""
    if not key.had_secret(presented.digest):
        return False
    if key.expires_at is None and keys.same_digest(key.digest, presented.digest):
        return True  # as nearly always: saves the query for the time
    moment = now()
    if key.has_expired(moment) or not key.has_secret(presented.digest, moment):
        raise KeyOverError(key.user_id)
    return True


def own_user(store: Store, caller: Principal, username: str) -> User:
    """Return the caller's own user. Raise `UserNotFoundError` for any other name, whether it exists or not."""
    user = store.user_by_id(caller.user_id)
    if user is None or user.username != username:
        raise UserNotFoundError
    return user


def own_account(store: Store, caller: Principal, username: str) -> tuple[User, int]:
    """Return the caller's own user, and how many unexpired API keys they have. Raise as `own_user`."""
    user = own_user(store, caller, username)
    return user, store.count_keys(user.user_id)


def user_to_change(store: Store, caller: Principal, username: str) -> User:
    """Return the user whose password is to change. Raise `UserNotFoundError`; `PasswordRequiredError` for API keys."""
    if caller.method != "password":
        raise PasswordRequiredError
    return own_user(store, caller, username)


def create_key(  # noqa: PLR0913 - the fields of one form, and a limit
    store: Store,
    caller: Principal,
    description: str,
    *,
    expires_at: datetime | None = None,
    scopes: tuple[Scope, ...] | None = None,
    most: int = 0,
) -> tuple[ApiKey, str]:
    """Make an API key for the caller: by default, None, it never expires, and has all scopes.

    A key that makes another one is its parent, and its own expiry and scopes are the default and the limit. Return the
    key and its text, which is not stored. Raise `UnacceptableFieldError` for an expiry or scopes that it may not have,
    `TooManyGenerationsError`, `QuotaExceededError` for a user with `most` keys, where 0 is no limit, and as
    `_require_credential`. Expired keys do not count, but only `most` of them stay in the list.
    """
    if most:  # before anything else is locked, so that no two wait for each other
        store.lock_new_keys(caller.user_id)
    moment = store.now()
    domain.check_expiry(expires_at, moment)
    if (parent := _require_credential(store, caller, moment)) is not None:
        if len(store.line(parent.key_id)) >= MOST_GENERATIONS:
            raise TooManyGenerationsError(MOST_GENERATIONS)
        expires_at, scopes = domain.expiry_of_child(parent, expires_at), domain.scopes_of_child(parent, scopes)
    if most and (use := store.count_keys(caller.user_id)) >= most:
        raise QuotaExceededError(most, use)
    if most:
        store.forget_expired_keys(caller.user_id, keep=most)
    text, made = _new_key()
    key = ApiKey(
        made.key_id,
        caller.user_id,
        made.digest,
        description,
        date_created=now(),
        date_last_used=None,
        expires_at=expires_at,
        scopes=scopes or SCOPES,
        parent_id=parent.key_id if parent else None,
    )
    store.add_key(key)
    return key, text


def _new_key(key_id: str | None = None) -> tuple[str, PresentedKey]:
    """Return the text of a new API key, by default with a new id, and what is stored of it."""
    text = keys.new_key(key_id)
    made = keys.parse_key(text)
    if made is None:
        raise AssertionError("a new key is well-formed")
    return text, made


def _require_credential(store: Store, caller: Principal, moment: datetime) -> ApiKey | None:
    """Return the API key that the caller used, None for a password; it stays as it is until the transaction ends.

    Raise `UnauthorizedError` if it was revoked or changed since, or has expired, `SecretReplacedError` for the former
    secret of a key while it is accepted, and `UserDisabledError` if the user was disabled. Who knows an old one may
    have begun a request before, to be left with a key when the old one is of no more use.
    """
    user = store.user_by_id(caller.user_id, locked=True)
    if user is None:
        raise UnauthorizedError
    if user.date_disabled is not None:
        raise UserDisabledError
    if caller.key_id is None:
        if not _is_of(caller, user.password_hash):
            raise UnauthorizedError
        return None
    key = store.key(caller.key_id, locked=True)
    if key is None or key.has_expired(moment):
        raise UnauthorizedError
    if not _is_of(caller, key.digest):
        ends = key.previous_expires_at
        if key.previous_digest and _is_of(caller, key.previous_digest) and ends and moment < ends:
            raise SecretReplacedError(ends)
        raise UnauthorizedError
    return key


def _is_of(caller: Principal, digest: str) -> bool:
    """Return whether `digest` is that of the credential that the caller used. Tokens of an earlier auth do not tell."""
    return caller.credential_mark in {None, domain.mark_of(digest)}


def list_keys(store: Store, caller: Principal, limit: int, after: tuple[datetime, str] | None) -> Sequence[ApiKey]:
    """Return up to `limit` of the caller's API keys, newest first, starting behind the position `after`."""
    return store.keys(caller.user_id, limit, after)


def get_key(store: Store, caller: Principal, name: KeyName, *, locked: bool = False) -> ApiKey:
    """Return an API key of the caller, named by id or by the whole key. Raise `ApiKeyNotFoundError`.

    `locked` locks its row until the transaction ends.
    """
    key = store.key(name.key_id, locked=locked)
    if key is None or key.user_id != caller.user_id:
        raise ApiKeyNotFoundError
    if name.digest is not None and not key.has_secret(name.digest, store.now()):
        raise ApiKeyNotFoundError
    return key


def _require_line(store: Store, caller: Principal, key: ApiKey) -> None:
    """Raise `NotADescendantError` if the caller used a child, and `key` is neither that nor one that descends from it.

    Who was given a key for others to be made with does not revoke the one that it was made with, nor what others have.
    """
    if caller.method != "key":
        return
    used = store.key(caller.key_id) if caller.key_id is not None else None
    if (used is None or used.parent_id is not None) and caller.key_id not in store.line(key.key_id):
        raise NotADescendantError


def describe_key(
    store: Store, caller: Principal, name: KeyName, description: str, check: Callable[[ApiKey], None]
) -> ApiKey:
    """Replace the description of the caller's API key, unless `check` raises for its present state.

    Raise `NotADescendantError` as `_require_line`.
    """
    key = get_key(store, caller, name, locked=True)
    _require_line(store, caller, key)
    check(key)
    store.describe_key(key.key_id, description)
    return replace(key, description=description)


def rotate_key(
    store: Store, caller: Principal, name: KeyName, overlap: timedelta, check: Callable[[ApiKey], None]
) -> tuple[ApiKey, str]:
    """Give the caller's API key a new secret, unless `check` raises for its present state. Return it and its new text.

    The secret that it had is accepted for `overlap`, and one from an earlier rotation no longer. Raise
    `RotationRefusedError` if the caller used a key that is neither this one nor one that it descends from, and as
    `_require_credential`.
    """
    _require_credential(store, caller, store.now())
    key = get_key(store, caller, name, locked=True)
    if caller.method == "key" and caller.key_id not in store.line(key.key_id):
        raise RotationRefusedError
    check(key)
    text, made = _new_key(key.key_id)
    ends = store.now() + overlap
    store.replace_secret(key.key_id, made.digest, previous_digest=key.digest, previous_expires_at=ends)
    rotated = replace(key, digest=made.digest, previous_digest=key.digest, previous_expires_at=ends)
    return rotated, text


def delete_key(store: Store, caller: Principal, name: KeyName, check: Callable[[ApiKey], None]) -> Sequence[str]:
    """Revoke the caller's API key and all that descend from it, unless `check` raises for its present state.

    The next request with any of them is refused. Return the ids of the descendants. Raise `NotADescendantError` as
    `_require_line`.
    """
    key = get_key(store, caller, name, locked=True)
    _require_line(store, caller, key)
    check(key)
    descendants = store.descendants(key.key_id)
    store.delete_key(key.key_id)
    return descendants
