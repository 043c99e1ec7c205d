"""Users, passwords and API keys: what they are, and the rules they obey. Knows nothing of HTTP or databases."""

import base64
import hashlib
import hmac
import re
import secrets
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

USERNAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
MIN_PASSWORD, MAX_PASSWORD = 8, 256
MAX_DESCRIPTION = 255
# `date_last_used` is written at most this often, so that using a key costs a read and not a write.
LAST_USED_EXACT_TO = timedelta(minutes=5)

_ID_BYTES, _SECRET_BYTES = 10, 20
KEY_ID = re.compile(r"[a-z2-7]{16}")
_KEY = re.compile(r"(?P<body>imgh_(?P<id>[a-z2-7]{16})_[a-z2-7]{32})(?P<checksum>[a-z2-7]{7})")


class AuthError(Exception):
    """A request that the rules of this service refuse."""

    code: ClassVar[str]


class UnauthorizedError(AuthError):
    """Missing, malformed or wrong credentials: one error for all, so that none can be told from another."""

    code = "unauthorized"
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": 'Basic realm="imghost", charset="UTF-8"'}

    def __init__(self) -> None:
        super().__init__("Send a username and password, or an API key, by HTTP Basic; or an API key as Bearer token.")


class TooManyAttemptsError(AuthError):
    """Too many wrong passwords for an account from a source, or unknown keys from a source."""

    code = "too-many-attempts"

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"Too many failed attempts. Try again in {wait_s} s.")
        self.headers = {"Retry-After": str(wait_s)}


class OverloadedError(AuthError):
    """More passwords to verify than this process can hash; shed rather than queued for long."""

    code = "service-unavailable"

    def __init__(self) -> None:
        super().__init__("Too many passwords are being verified. Try again in a moment, or use an API key.")


class UsernameTakenError(AuthError):
    """Another user has the name."""

    code = "username-taken"

    def __init__(self, username: str) -> None:
        super().__init__(f"There is a user {username} already.")


class UserNotFoundError(AuthError):
    """There is no such user, or it is not the caller."""

    code = "user-not-found"

    def __init__(self) -> None:
        super().__init__("There is no such user.")


class ApiKeyNotFoundError(AuthError):
    """There is no such API key, or it is another user's."""

    code = "api-key-not-found"

    def __init__(self) -> None:
        super().__init__("There is no such API key.")


class PasswordRequiredError(AuthError):
    """An API key tried what takes the password."""

    code = "password-required"

    def __init__(self) -> None:
        super().__init__("An API key may not change the password; send the username and password.")


class WrongPasswordError(AuthError):
    """The current password, given to change it, is wrong."""

    code = "wrong-password"

    def __init__(self) -> None:
        super().__init__("The current password is wrong.")


class UnacceptableError(AuthError):
    """An operator's input that breaks a rule."""

    code = "unacceptable"


@dataclass(frozen=True)
class User:
    """Somebody who may call; USER_ID never changes and is never used again, the name is for people."""

    user_id: str
    username: str
    password_hash: str
    date_created: datetime


@dataclass(frozen=True)
class ApiKey:
    """A revocable credential of a user; the secret is known to its holder alone, we keep its digest."""

    key_id: str
    user_id: str
    digest: str
    description: str
    date_created: datetime
    date_last_used: datetime | None

    def use_is_worth_noting(self, moment: datetime) -> bool:
        """Tell whether a use at MOMENT would change `date_last_used` by more than it is exact to."""
        return self.date_last_used is None or moment - self.date_last_used >= LAST_USED_EXACT_TO


@dataclass(frozen=True)
class PresentedKey:
    """An API key as somebody sent it: well-formed, its checksum right; whether it is valid is still open."""

    key_id: str
    digest: str


@dataclass(frozen=True)
class KeyName:
    """What a path calls an API key: its id alone, or id and digest where the whole key stood there."""

    key_id: str
    digest: str | None = None


@dataclass(frozen=True)
class Failures:
    """Recent failed attempts of one subject of throttling."""

    count: int
    date_blocked_until: datetime
    date_forgotten: datetime


def digest(key: str) -> str:
    """Give what is stored of KEY. A plain SHA-256 is enough for 160 random bits: nobody can try them all."""
    return hashlib.sha256(key.encode()).hexdigest()


def same_digest(stored: str, presented: str) -> bool:
    """Compare two digests in constant time."""
    return hmac.compare_digest(stored.encode(), presented.encode("utf-8", "replace"))


def new_key() -> str:
    """Make an API key: recognisable prefix, public id, secret of 160 bits, checksum."""
    body = f"imgh_{_base32(secrets.token_bytes(_ID_BYTES))}_{_base32(secrets.token_bytes(_SECRET_BYTES))}"
    return body + _checksum(body)


def parse_key(text: str) -> PresentedKey | None:
    """Read an API key; None if TEXT has another shape or a wrong checksum (a typing error costs no query)."""
    match = _KEY.fullmatch(text)
    if match is None or match["checksum"] != _checksum(match["body"]):
        return None
    return PresentedKey(match["id"], digest(text))


def check_username(username: str) -> None:
    """Raise UnacceptableError unless USERNAME may name a user."""
    if not USERNAME.fullmatch(username):
        raise UnacceptableError("A username is 1 to 64 of A-Z a-z 0-9 . _ -")


def check_password(password: str) -> None:
    """Raise UnacceptableError unless PASSWORD may be one."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise UnacceptableError(f"A password has {MIN_PASSWORD} to {MAX_PASSWORD} characters.")
    if "\0" in password or not _is_unicode(password):
        raise UnacceptableError("A password is Unicode text without NUL.")


def delay_s(failures: int, free: int, longest_s: int) -> int:
    """Give the delay after FAILURES wrong passwords in a row: none for the first FREE, then doubling from 1 s."""
    return 0 if failures < free else int(min(2 ** (failures - free), longest_s))


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()


def _checksum(body: str) -> str:
    return _base32(zlib.crc32(body.encode()).to_bytes(4))
