"""Throttling of guesses: counted per account and source, so that nobody can lock an owner out from elsewhere.

All times are by the database's clock: a replica whose own clock is ahead would admit guesses that another holds back.
"""

import hashlib
import math
from datetime import timedelta

from auth import metrics
from auth.adapters.store import Store
from auth.domain import Failures
from auth.errors import TooManyAttemptsError
from chassis.networks import network_of

_REMEMBERED = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)
# The reasons that are about one account, and not about all that come from a source.
_OF_ACCOUNT = {"account", "refused"}


def account_subject(username: str, source: str) -> str:
    """Return the subject for failures at an account, existing or not, from a source."""
    return hashlib.sha256(f"account\0{username}\0{network_of(source)}".encode("utf-8", "replace")).hexdigest()


def source_subject(source: str) -> str:
    """Return the subject for wrong passwords from a source, at whatever accounts."""
    return hashlib.sha256(f"passwords\0{network_of(source)}".encode("utf-8", "replace")).hexdigest()


def keys_subject(source: str) -> str:
    """Return the subject for unknown keys from a source."""
    return hashlib.sha256(f"keys\0{network_of(source)}".encode("utf-8", "replace")).hexdigest()


def refused_subject(user_id: str, source: str) -> str:
    """Return the subject for credentials of a user that are known but refused, from a source.

    It is none of the source alone: a program whose key has expired has no others at its address refused.
    """
    return hashlib.sha256(f"refused\0{user_id}\0{network_of(source)}".encode("utf-8", "replace")).hexdigest()


def refuse_blocked(store: Store, known: Failures | None) -> None:
    """Raise `TooManyAttemptsError` while a subject is blocked whose failures are `known`."""
    if known is None:  # as nearly always: saves the query for the time
        return
    moment = store.now()
    if known.date_forgotten > moment and known.date_blocked_until > moment:
        raise _too_many(known.date_blocked_until - moment, "account")


def refuse_busy_source(store: Store, source: str, a_minute: int, reason: str = "source") -> None:
    """Raise `TooManyAttemptsError` if the subject `source` has had `a_minute` failures in this minute.

    `reason` names these failures in metrics.
    """
    known = store.failures(source)
    if known is None or known.count < a_minute:
        return
    moment = store.now()
    if known.date_forgotten > moment:
        raise _too_many(known.date_forgotten - moment, reason)


def note_wrong_password(store: Store, account: str, source: str, free: int, longest_s: int) -> None:
    """Count one more failure of the subjects `account` and `source`; block `account` for the `delay_s` of its failures.

    A right password later does not make the failures of its account forgotten: from the owner's own source others may
    be guessing, too.
    """
    moment = store.now()
    count = store.add_failure(account, moment, moment + _REMEMBERED, renew=True)
    store.block(account, moment + timedelta(seconds=delay_s(count, free, longest_s)))
    store.add_failure(source, moment, moment + _MINUTE, renew=False)


def note_refused(store: Store, subject: str, a_minute: int, reason: str) -> None:
    """Count one more failure of `subject`. Raise `TooManyAttemptsError` after `a_minute` of them in a minute.

    `reason` names these failures in metrics.
    """
    refuse_busy_source(store, subject, a_minute, reason)
    moment = store.now()
    store.add_failure(subject, moment, moment + _MINUTE, renew=False)


def delay_s(failures: int, free: int, longest_s: int) -> int:
    """Return the delay after `failures` in a row: none for the first `free`, then doubling from 1 s to `longest_s`."""
    return 0 if failures < free else int(min(2 ** (failures - free), longest_s))


def _too_many(wait: timedelta, reason: str) -> TooManyAttemptsError:
    metrics.THROTTLED.labels(reason).inc()
    return TooManyAttemptsError(max(1, math.ceil(wait.total_seconds())), of_account=reason in _OF_ACCOUNT)
