"""Users and API keys: what they are, and the rules they obey. Knows nothing of HTTP or databases."""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from auth.common_passwords import is_common
from auth.errors import UnacceptableError, UnacceptableFieldError
from auth.keys import looks_like_key, same_digest

USERNAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
MIN_PASSWORD, MAX_PASSWORD = 8, 256
# A character may be sent as four: a letter and three marks.
LONGEST_SENT = 4 * MAX_PASSWORD
MAX_DESCRIPTION = 255
# `date_last_used` is written at most this often, so that using a key costs a read and not a write.
LAST_USED_EXACT_TO = timedelta(minutes=5)
# What an API key may be used for, in the order in which it is shown; `auth.web.access` and `catalog.web.access` say
# which operations take which.
Scope = Literal["read", "write", "upload", "keys"]
SCOPES: tuple[Scope, ...] = ("read", "write", "upload", "keys")
# A key, its parent, the parent of that and so on. Revoking the first takes databases one step into depth for each.
MOST_GENERATIONS = 8
LONGEST_OVERLAP = timedelta(days=7)
USUAL_OVERLAP = timedelta(days=1)
# No key needs to live longer, and databases disagree about moments that are far away.
LONGEST_LIFE = timedelta(days=36_525)


@dataclass(frozen=True)
class User:
    """A person or program that may call; `user_id` never changes and is never reused, the name is for people.

    While `date_disabled` is not None, none of their credentials is accepted.
    """

    user_id: str
    username: str
    password_hash: str
    date_created: datetime
    date_disabled: datetime | None = None


@dataclass(frozen=True)
class ApiKey:
    """A revocable credential of a user; only its holder knows the secret, we keep a digest of it.

    A key that was made with another one is that one's child, and is revoked with it. A key that was rotated has a new
    secret; the previous one is accepted, too, until `previous_expires_at`.
    """

    key_id: str
    user_id: str
    digest: str
    description: str
    date_created: datetime
    date_last_used: datetime | None
    expires_at: datetime | None = None
    scopes: tuple[Scope, ...] = SCOPES
    parent_id: str | None = None
    previous_digest: str | None = None
    previous_expires_at: datetime | None = None

    def had_secret(self, digest: str) -> bool:
        """Return whether `digest` is that of the secret, or of the one before, whose time may be over."""
        before = self.previous_digest is not None and same_digest(self.previous_digest, digest)
        return same_digest(self.digest, digest) or before

    def has_secret(self, digest: str, moment: datetime) -> bool:
        """Return whether `digest` is that of a secret which is accepted at `moment`, unless the key itself expires."""
        if same_digest(self.digest, digest):
            return True
        return self.had_secret(digest) and self.previous_expires_at is not None and moment < self.previous_expires_at

    def has_expired(self, moment: datetime) -> bool:
        """Return whether the key is refused at `moment` because its time is over."""
        return self.expires_at is not None and self.expires_at <= moment

    def use_is_worth_noting(self, moment: datetime) -> bool:
        """Return whether a use at `moment` is later than `date_last_used` by at least `LAST_USED_EXACT_TO`."""
        return self.date_last_used is None or moment - self.date_last_used >= LAST_USED_EXACT_TO


@dataclass(frozen=True)
class Failures:
    """Recent failed attempts of one subject of throttling."""

    count: int
    date_blocked_until: datetime
    date_forgotten: datetime


@dataclass(frozen=True)
class TakenOfMinute:
    """How many of a user's present minute all processes of auth have taken together, and how long it still lasts."""

    count: int
    lasts: timedelta


def check_expiry(expires_at: datetime | None, moment: datetime) -> None:
    """Raise `UnacceptableFieldError` unless a key that is made at `moment` may expire at `expires_at`, None: never."""
    if expires_at is not None and not moment < expires_at <= moment + LONGEST_LIFE:
        years = LONGEST_LIFE.days * 4 // 1461
        raise UnacceptableFieldError(
            "expires_at", "out-of-range", f"Must be in the future, and at most {years} years from now."
        )


def expiry_of_child(parent: ApiKey, expires_at: datetime | None) -> datetime | None:
    """Return when a child of `parent` expires that is to expire at `expires_at`, None if that was left open.

    Raise `UnacceptableFieldError` if that is after `parent`.
    """
    if expires_at is None or parent.expires_at is None:
        return expires_at or parent.expires_at
    if expires_at > parent.expires_at:
        detail = f"The key that makes this one expires before, at {parent.expires_at.isoformat()}."
        raise UnacceptableFieldError("expires_at", "beyond-parent", detail)
    return expires_at


def scopes_of_child(parent: ApiKey, scopes: tuple[Scope, ...] | None) -> tuple[Scope, ...]:
    """Return the scopes of a child of `parent` that is to have `scopes`, None if they were left open.

    Raise `UnacceptableFieldError` for a scope that `parent` does not have.
    """
    if scopes is None:
        return parent.scopes
    if beyond := [scope for scope in scopes if scope not in parent.scopes]:
        detail = f"The key that makes this one does not have {', '.join(beyond)}."
        raise UnacceptableFieldError("scopes", "beyond-parent", detail)
    return scopes


def check_username(username: str) -> None:
    """Raise `UnacceptableError` unless `username` may name a new user.

    `.` and `..` may not: clients remove such segments from a path before they send it (RFC 3986, 5.2.4).
    """
    if not USERNAME.fullmatch(username):
        raise UnacceptableError("A username is 1 to 64 of A-Z a-z 0-9 . _ -")
    if username in {".", ".."}:
        raise UnacceptableError(f"A username is not {username}, which clients would remove from its address.")


def prepare_password(password: str) -> str:
    """Return `password` as it is hashed: the same text for everything that looks the same when it is typed.

    One keyboard sends an `é` as one character, another as an `e` and an accent. This is the profile OpaqueString of
    RFC 8265 (4.2): other spaces become a space, then NFC. Case and width stay. A text that is too long for a password
    in any case is returned as it is, since sorting tens of thousands of accents takes seconds.
    """
    if len(password) > LONGEST_SENT:
        return password
    spaced = "".join(" " if unicodedata.category(character) == "Zs" else character for character in password)
    return unicodedata.normalize("NFC", spaced)


def mark_of(stored: str) -> str:
    """Return what tells a password or secret, of which `stored` is kept, from those before and after, and no more."""
    return hashlib.sha256(stored.encode()).hexdigest()[:32]


def check_password(password: str) -> None:
    """Raise `UnacceptableError` unless `password`, which was prepared, may be one."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise UnacceptableError(f"A password has {MIN_PASSWORD} to {MAX_PASSWORD} characters.")
    if "\0" in password or not _is_unicode(password):
        raise UnacceptableError("A password is Unicode text without NUL.")
    if looks_like_key(password):
        raise UnacceptableError("A password does not look like an API key.")
    if is_common(password):
        raise UnacceptableError("This is one of the passwords that everybody tries first. Choose another one.")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
