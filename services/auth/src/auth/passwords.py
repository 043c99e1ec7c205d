"""Hashing and verifying passwords with Argon2id: bounded load, and the same cost whether or not the user exists."""

import hashlib
import hmac
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from auth import metrics
from auth.errors import OverloadedError
from chassis.stages import Stage

# OWASP's minimum for Argon2id: 19 MiB, two passes, one lane.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_MOST_REMEMBERED = 10_000
_NICENESS = 5

Result = TypeVar("Result")


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
    """Verifies passwords, a few at a time, and remembers right ones for `memory_s`.

    Hashing has `slots` threads of its own, of low priority, and `queue` passwords wait for them, `wait_s` at most:
    whatever many guesses do, most threads of the process stay free for requests that need no hash.

    What it remembers is an HMAC of source, user, password and stored hash, under a secret of this process: it is of no
    use outside the process or to another source, and no longer matches once the stored hash changes.
    """

    def __init__(self, slots: int, queue: int, wait_s: float, memory_s: float) -> None:
        self._threads = ThreadPoolExecutor(slots, "hashing", initializer=_lower_priority)
        self._places = threading.BoundedSemaphore(slots + queue)
        self._wait_s = wait_s
        self._memory_s = memory_s
        self._secret = secrets.token_bytes(32)
        self._remembered: dict[bytes, float] = {}
        self._under_way: dict[bytes, Future[bool]] = {}
        self._lock = threading.RLock()
        # Guesses at users that do not exist are verified against this hash, so that they take as long as at others.
        self._nobody = hash_password(secrets.token_urlsafe())

    def remembers(self, user_id: str, password: str, password_hash: str | None, source: str) -> bool:
        """Return whether `password`, sent from `source`, was found right for `password_hash` a moment ago."""
        return password_hash is not None and self._remembers(self._proof(user_id, password, password_hash, source))

    def is_right(self, user_id: str, password: str, password_hash: str | None, source: str) -> bool:
        """Return whether `password_hash`, None if there is no such user, is of `password`, which came from `source`.

        Clients send a password several times at once: it is hashed once for all of them. Raise `OverloadedError`.
        """
        stored = password_hash or self._nobody
        proof = self._proof(user_id, password, stored, source)

        def verify() -> bool:
            if not is_password(stored, password) or password_hash is None:
                return False
            self._remember(proof)
            return True

        with self._lock:
            if self._remembers(proof):
                return True
            hashing = self._under_way.get(proof)
            if hashing is None:
                hashing = self._under_way[proof] = self._submit(verify)
                hashing.add_done_callback(lambda _: self._under_way.pop(proof, None))
        return self._result(hashing)

    def hash_new(self, password: str) -> str:
        """Return the hash of a new password. Raise `OverloadedError` if too many wait, or it takes too long."""
        return self._result(self._submit(lambda: hash_password(password), "new"))

    def _submit(self, hash_one: Callable[[], Result], purpose: str = "verify") -> Future[Result]:
        if not self._places.acquire(blocking=False):
            metrics.SHED.labels("full").inc()
            raise OverloadedError
        waiting, running = metrics.HASHES.labels("waiting"), metrics.HASHES.labels("running")

        def run() -> Result:
            waiting.dec()
            with running.track_inprogress(), metrics.HASHING.labels(purpose).time():
                return hash_one()

        def end(hashing: Future[Result]) -> None:
            if hashing.cancelled():
                waiting.dec()
            self._places.release()

        waiting.inc()
        hashing = self._threads.submit(run)
        hashing.add_done_callback(end)
        return hashing

    def _result(self, hashing: Future[Result]) -> Result:
        try:
            with Stage("password hashing"):
                return hashing.result(self._wait_s)
        except (TimeoutError, CancelledError):
            hashing.cancel()
            metrics.SHED.labels("late").inc()
            raise OverloadedError from None

    def _proof(self, user_id: str, password: str, stored: str, source: str) -> bytes:
        return hmac.digest(self._secret, f"{source}\0{user_id}\0{stored}\0{password}".encode(), hashlib.sha256)

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


def _lower_priority() -> None:
    """Let all other threads go first: hashing takes whole processors, and nothing is as patient as who guesses."""
    if sys.platform == "linux":  # elsewhere priorities are those of processes
        os.nice(_NICENESS)
