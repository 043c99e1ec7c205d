"""Throttling of guesses: counted per account and source, so that nobody can lock an owner out from elsewhere.

All times are by the database's clock: a replica whose own clock is ahead would admit guesses that another holds back.
"""

import hashlib
import math
from datetime import timedelta

from auth.adapters.store import Store
from auth.errors import TooManyAttemptsError
from chassis.networks import network_of

_REMEMBERED = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)


def account_subject(username: str, source: str) -> str:
    """Return the subject for failures at an account, existing or not, from a source."""
    return hashlib.sha256(f"account\0{username}\0{network_of(source)}".encode("utf-8", "replace")).hexdigest()


def keys_subject(source: str) -> str:
    """Return the subject for unknown keys from a source."""
    return hashlib.sha256(f"keys\0{network_of(source)}".encode("utf-8", "replace")).hexdigest()


def refuse_blocked(store: Store, subject: str) -> None:
    """Raise `TooManyAttemptsError` while `subject` is blocked."""
    known = store.failures(subject)
    if known is None:  # as nearly always: saves the query for the time
        return
    moment = store.now()
    if known.date_forgotten > moment and known.date_blocked_until > moment:
        raise TooManyAttemptsError(_seconds(known.date_blocked_until - moment))


def note_wrong_password(store: Store, subject: str, free: int, longest_s: int) -> None:
    """Count one more failure of `subject`, and block it for the `delay_s` that this makes."""
    moment = store.now()
    count = store.add_failure(subject, moment, moment + _REMEMBERED, renew=True)
    store.block(subject, moment + timedelta(seconds=delay_s(count, free, longest_s)))


def note_unknown_key(store: Store, subject: str, a_minute: int) -> None:
    """Count one more unknown key of `subject`. Raise `TooManyAttemptsError` after `a_minute` of them in a minute."""
    moment = store.now()
    known = store.failures(subject)
    if known is not None and known.date_forgotten > moment and known.count >= a_minute:
        raise TooManyAttemptsError(_seconds(known.date_forgotten - moment))
    store.add_failure(subject, moment, moment + _MINUTE, renew=False)


def delay_s(failures: int, free: int, longest_s: int) -> int:
    """Return the delay after `failures` in a row: none for the first `free`, then doubling from 1 s to `longest_s`."""
    return 0 if failures < free else int(min(2 ** (failures - free), longest_s))


def _seconds(wait: timedelta) -> int:
    return max(1, math.ceil(wait.total_seconds()))
