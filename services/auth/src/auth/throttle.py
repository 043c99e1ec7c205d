"""Throttling of guesses: counted per account and source, so that nobody can lock an owner out from elsewhere.

By the database's clock: else a replica whose own is ahead would let guesses in that another has put off.
"""

import hashlib
import ipaddress
import math
from datetime import timedelta
from typing import TYPE_CHECKING

from auth.errors import TooManyAttemptsError

if TYPE_CHECKING:
    from auth.adapters.store import Store

_REMEMBERED = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)


def account_subject(username: str, source: str) -> str:
    """Name the pair of an account, existing or not, and a source."""
    return hashlib.sha256(f"account\0{username}\0{_network(source)}".encode("utf-8", "replace")).hexdigest()


def keys_subject(source: str) -> str:
    """Name a source that presents keys."""
    return hashlib.sha256(f"keys\0{_network(source)}".encode("utf-8", "replace")).hexdigest()


def refuse_blocked(store: "Store", subject: str) -> None:
    """Raise TooManyAttemptsError while SUBJECT is blocked."""
    known = store.failures(subject)
    if known is None:  # as nearly always: the clock need not be asked
        return
    moment = store.now()
    if known.date_forgotten > moment and known.date_blocked_until > moment:
        raise TooManyAttemptsError(_seconds(known.date_blocked_until - moment))


def note_wrong_password(store: "Store", subject: str, free: int, longest_s: int) -> None:
    """Count one more failure of SUBJECT; from the FREE-th on each doubles the delay, up to LONGEST_S."""
    moment = store.now()
    count = store.add_failure(subject, moment, moment + _REMEMBERED, renew=True)
    store.block(subject, moment + timedelta(seconds=delay_s(count, free, longest_s)))


def note_unknown_key(store: "Store", subject: str, a_minute: int) -> None:
    """Count one more unknown key of SUBJECT; A_MINUTE of them are free, then raises TooManyAttemptsError."""
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


def _network(source: str) -> str:
    """Give the address, of IPv6 the /64 that one customer usually has whole.

    A socket that listens for both writes IPv4 as `::ffff:192.0.2.1`, which is all one /64.
    """
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return source
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or ipaddress.ip_network(f"{address}/64", strict=False))
