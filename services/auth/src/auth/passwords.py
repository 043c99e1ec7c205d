"""Hashing and verifying passwords with Argon2id: bounded load, and the same cost whether or not the user exists."""

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from auth.errors import OverloadedError

# OWASP's minimum for Argon2id: 19 MiB, two passes, one lane.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_MOST_REMEMBERED = 10_000


def hash_password(password: str) -> str:
    """Return the hash of `password` with a new salt."""
    return _HASHER.hash(password)


def is_password(stored: str, password: str) -> bool:
    """Return whether `stored` is a hash of `password`; takes as long as hashing."""
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


class Verifier:
    """Verifies passwords: at most `slots` at a time, each after `wait_s` at most; remembers right ones for `memory_s`.

    What it remembers is an HMAC of user, password and stored hash, under a secret of this process: it is of no use
    outside the process, and no longer matches once the stored hash changes.
    """

    def __init__(self, slots: int, wait_s: float, memory_s: float) -> None:
        self._slots = threading.BoundedSemaphore(slots)
        self._wait_s = wait_s
        self._memory_s = memory_s
        self._secret = secrets.token_bytes(32)
        self._remembered: dict[bytes, float] = {}
        self._lock = threading.Lock()
        # Guesses at users that do not exist are verified against this hash, so that they take as long as at others.
        self._nobody = hash_password(secrets.token_urlsafe())

    def is_right(self, user_id: str, password: str, password_hash: str | None) -> bool:
        """Return whether `password_hash`, None if there is no such user, is of `password`. Raise `OverloadedError`."""
        stored = password_hash or self._nobody
        proof = hmac.digest(self._secret, f"{user_id}\0{stored}\0{password}".encode(), hashlib.sha256)
        if self._remembers(proof):
            return True
        with self._slot():
            right = is_password(stored, password)
        if right and password_hash is not None:
            self._remember(proof)
            return True
        return False

    def hash_new(self, password: str) -> str:
        """Return the hash of a new password. Raise `OverloadedError` if no slot becomes free in time."""
        with self._slot():
            return hash_password(password)

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=self._wait_s):
            raise OverloadedError
        try:
            yield
        finally:
            self._slots.release()

    def _remembers(self, proof: bytes) -> bool:
        with self._lock:
            return self._remembered.get(proof, 0.0) > time.monotonic()

    def _remember(self, proof: bytes) -> None:
        moment = time.monotonic()
        with self._lock:
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered = {known: end for known, end in self._remembered.items() if end > moment}
            if len(self._remembered) < _MOST_REMEMBERED:
                self._remembered[proof] = moment + self._memory_s
