"""Authenticating a request: whose credentials these are, and whether their source may try at all.

Hashing takes tens of milliseconds, so no transaction is open meanwhile. An unknown user and a wrong password take the
same steps and the same time, so that nobody can find out which names exist; while a source is blocked, both are
refused before any hashing.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from auth import credentials, metrics, throttle, use_cases
from auth.adapters.store import Store
from auth.credentials import PresentedPassword
from auth.domain import USERNAME, ApiKey, User, mark_of
from auth.errors import (
    AuthError,
    KeyOverError,
    TooManyAttemptsError,
    UnauthorizedError,
    UserDisabledError,
    WrongPasswordError,
)
from auth.keys import PresentedKey
from auth.passwords import Verifier
from chassis.audit import Actor
from chassis.clock import now
from chassis.database.database import Database
from chassis.errors import DependencyDownError
from chassis.networks import network_of
from chassis.tokens import Principal


@dataclass(frozen=True)
class Policy:
    """How many failures an account has free of delay, how long delays become, and how often a source may fail."""

    free_failures: int
    max_delay_s: int
    password_failures_a_minute: int
    key_failures_a_minute: int


@dataclass(frozen=True)
class Authenticator:
    """Finds out who sent an Authorization header."""

    database: Database[Store]
    verifier: Verifier
    policy: Policy

    def authenticate(self, authorization: str | None, source: str) -> Principal:
        """Return who sent `authorization`.

        Raise `UnauthorizedError`, `TooManyAttemptsError`, `OverloadedError`, or, for right credentials of a user who is
        disabled, `UserDisabledError`. What is refused counts, so that its source causes no work without bound.
        """
        try:
            principal = self._principal(authorization, source)
        except AuthError as fault:
            metrics.AUTHENTICATIONS.labels(fault.code).inc()
            raise
        metrics.AUTHENTICATIONS.labels("ok").inc()
        return principal

    def authenticate_together(self, asked: Sequence[tuple[str, str]]) -> Sequence[Principal | None]:
        """Return who sent each of `asked`, an Authorization header and where it came from.

        None stands for those that `authenticate` has to be asked about: all that are refused, API keys whose use has to
        be noted, passwords that are not remembered, and those of accounts with failures. Nothing is counted.
        """
        presented = [(_presented(authorization), source) for authorization, source in asked]
        by_key = [each for each, _ in presented if isinstance(each, PresentedKey)]
        keys = self.database.read(use_cases.find_presented_keys, by_key) if by_key else {}
        by_password = [(each.username, source) for each, source in presented if isinstance(each, PresentedPassword)]
        users = self.database.read(_users_without_failures, by_password) if by_password else {}
        moment = now()
        found: list[Principal | None] = []
        for each, source in presented:
            if isinstance(each, PresentedKey):
                found.append(_by_key_at_once(each, keys.get(each), moment))
            elif each is None:
                found.append(None)
            else:
                found.append(self._by_password_at_once(each, users.get((each.username, source)), source))
        return found

    def _by_password_at_once(self, presented: PresentedPassword, user: User | None, source: str) -> Principal | None:
        if user is None or user.date_disabled is not None:
            return None
        network = network_of(source)
        if not self.verifier.remembers(user.user_id, presented.password, user.password_hash, network):
            return None
        return _owner_by_password(user)

    def _principal(self, authorization: str | None, source: str) -> Principal:
        presented = credentials.read(authorization)
        if isinstance(presented, PresentedKey):
            return self._by_key(presented, source)
        user = self._by_password(presented.username, presented.password, source)
        if user is None:
            raise UnauthorizedError
        if user.date_disabled is not None:
            self._note_refused(user.user_id, source)
            raise UserDisabledError
        return _owner_by_password(user)

    def whose(self, authorization: str | None, source: str) -> Actor:
        """Return whom credentials that were refused name, for the audit log.

        A name is told only if a user has it: people type their password into the field for the username.
        """
        user: User | None = None
        key_id = None
        with suppress(UnauthorizedError, DependencyDownError):
            presented = credentials.read(authorization)
            if isinstance(presented, PresentedKey):
                key_id = presented.key_id
                key = self.database.read(Store.key, key_id)
                user = self.database.read(Store.user_by_id, key.user_id) if key else None
            elif USERNAME.fullmatch(presented.username):
                user = self.database.read(Store.user, presented.username)
        if user is None:
            return Actor("user", key_id=key_id, source=source)
        return Actor("user", user.user_id, user.username, key_id, source)

    def confirm_password(self, user: User, password: str, source: str) -> None:
        """Raise `WrongPasswordError` unless `password` is that of `user`; failures count as in `authenticate`."""
        found = self._by_password(user.username, password, source)
        # Another user may have got the name meanwhile.
        if found is None or found.user_id != user.user_id:
            raise WrongPasswordError

    def _by_key(self, presented: PresentedKey, source: str) -> Principal:
        try:
            found = self.database.read(use_cases.find_presented_key, presented)
        except KeyOverError as fault:
            self._note_refused(fault.user_id, source)
            raise
        if found is None:
            subject = throttle.keys_subject(source)
            self.database.transact(throttle.note_refused, subject, self.policy.key_failures_a_minute, "keys")
            raise UnauthorizedError
        key, user = found
        if user.date_disabled is not None:
            self._note_refused(user.user_id, source)
            raise UserDisabledError
        if key.use_is_worth_noting(now()):
            self.database.transact(Store.touch_key, key.key_id, now())
        return _owner(key, user, presented)

    def _by_password(self, username: str, password: str, source: str) -> User | None:
        account, all_accounts = throttle.account_subject(username, source), throttle.source_subject(source)
        user = self.database.read(self._find, username, account)
        user_id, password_hash = (user.user_id, user.password_hash) if user else ("", None)
        network = network_of(source)
        if self.verifier.remembers(user_id, password, password_hash, network):
            return user
        try:
            self.database.read(throttle.refuse_busy_source, all_accounts, self.policy.password_failures_a_minute)
        except TooManyAttemptsError:
            # A guess that is refused unseen counts, too: that it is refused tells that it is not the one remembered.
            self._note_wrong(account, all_accounts)
            raise
        right = self.verifier.is_right(user_id, password, password_hash, network)
        # Concurrent guesses all passed the checks above before the first was counted: check again after the hash.
        self.database.read(self._refuse_blocked, account, all_accounts)
        if user is not None and right:
            return user
        self._note_wrong(account, all_accounts)
        return None

    def _note_refused(self, user_id: str, source: str) -> None:
        """Count known credentials of a user that are refused. Raise `TooManyAttemptsError` after many in a minute."""
        subject = throttle.refused_subject(user_id, source)
        self.database.transact(throttle.note_refused, subject, self.policy.key_failures_a_minute, "refused")

    def _note_wrong(self, account: str, all_accounts: str) -> None:
        self.database.transact(
            throttle.note_wrong_password, account, all_accounts, self.policy.free_failures, self.policy.max_delay_s
        )

    def _find(self, store: Store, username: str, account: str) -> User | None:
        # Names that no user can have are not asked for, since PostgreSQL refuses NUL, but take the same time.
        user, failures = store.user_with_failures(username if USERNAME.fullmatch(username) else "", account)
        throttle.refuse_blocked(store, failures)
        return user

    def _refuse_blocked(self, store: Store, account: str, all_accounts: str) -> None:
        throttle.refuse_blocked(store, store.failures(account))
        throttle.refuse_busy_source(store, all_accounts, self.policy.password_failures_a_minute)


def _presented(authorization: str) -> PresentedKey | PresentedPassword | None:
    try:
        return credentials.read(authorization)
    except AuthError:
        return None


def _users_without_failures(store: Store, asked: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], User]:
    """Return those of the users with the names in `asked` at whose accounts the source there has no failures."""
    subjects = {each: throttle.account_subject(*each) for each in asked if USERNAME.fullmatch(each[0])}
    users = store.users_with_names({username for username, _ in subjects})
    failed = store.failed_subjects(subjects.values())
    return {
        (username, source): users[username]
        for (username, source), subject in subjects.items()
        if username in users and subject not in failed
    }


def _by_key_at_once(presented: PresentedKey, found: tuple[ApiKey, User] | None, moment: datetime) -> Principal | None:
    if found is None:
        return None
    key, user = found
    if user.date_disabled is not None or key.use_is_worth_noting(moment):
        return None
    return _owner(key, user, presented)


def _owner_by_password(user: User) -> Principal:
    return Principal(user.user_id, user.username, "password", credential_mark=mark_of(user.password_hash))


def _owner(key: ApiKey, user: User, presented: PresentedKey) -> Principal:
    mark = mark_of(presented.digest)
    return Principal(user.user_id, user.username, "key", frozenset(key.scopes), key.key_id, credential_mark=mark)
