"""Passwords that auth has to hash: few at a time, those of sources without failures first, all others refused at once.

Hashing takes auth a thousand times the work of looking up a key. However many guesses come, API keys and passwords
that were right a moment ago do not wait here. This decides only when auth is asked, never what it answers.
"""

import hashlib
import hmac
import secrets
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from gevent.event import Event

from chassis.networks import network_of
from gateway import api_keys
from gateway.errors import PasswordsBusyError

MEMORY_S = 60.0
# Who has no failure waits for a while; all others so briefly that their answer still comes within 100 ms.
FIRST_WAIT_S, OTHERS_WAIT_S = 3.0, 0.05
FIRST_QUEUE, OTHERS_QUEUE = 32, 8
_MOST_REMEMBERED = 10_000


class PasswordChecks:
    """At most `most` passwords of one web process are with auth at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._busy = 0
        self._first: deque[Event] = deque()
        self._others: deque[Event] = deque()
        self._secret = secrets.token_bytes(32)
        self._right = _Memory()
        self._failed = _Memory()
        self._of_source: Counter[bytes] = Counter()
        self._same: dict[bytes, Event] = {}

    def is_hopeless(self, authorization: str, source: str) -> bool:
        """Return whether `turn` would refuse a password at once."""
        if len(self._others) < OTHERS_QUEUE and len(self._first) < FIRST_QUEUE:
            return False
        if not api_keys.is_password(authorization) or self._right.has(self._digest(authorization)):
            return False
        return self._is_full(self._digest(network_of(source)))

    @contextmanager
    def turn(self, authorization: str, source: str) -> Iterator[None]:
        """Wait until auth may be asked about `authorization`, which is asked about in the body.

        Raise `PasswordsBusyError` if that would take too long.
        """
        if not api_keys.is_password(authorization):
            yield
            return
        password = self._digest(authorization)
        while not self._right.has(password) and (asked := self._same.get(password)):
            # A client sends a password several times at once: the first answer decides for all of them.
            if not asked.wait(FIRST_WAIT_S):
                raise PasswordsBusyError
        if self._right.has(password):
            yield
            return
        self._same[password] = Event()
        try:
            with self._slot(self._digest(network_of(source))):
                yield
        finally:
            self._same.pop(password).set()

    def note(self, authorization: str, source: str, status: int) -> None:
        """Note with which status auth has answered about `authorization`, which came from `source`."""
        if not api_keys.is_password(authorization):
            return
        if status == HTTPStatus.OK:
            self._right.add(self._digest(authorization))
        elif status < HTTPStatus.INTERNAL_SERVER_ERROR:
            self._failed.add(self._digest(network_of(source)))

    @contextmanager
    def _slot(self, source: bytes) -> Iterator[None]:
        queue, longest, wait_s = self._first, FIRST_QUEUE, FIRST_WAIT_S
        if self._has_tried(source):
            queue, longest, wait_s = self._others, OTHERS_QUEUE, OTHERS_WAIT_S
        self._of_source[source] += 1
        try:
            self._take(queue, longest, wait_s)
            try:
                yield
            finally:
                self._release()
        finally:
            self._of_source[source] -= 1
            if not self._of_source[source]:
                del self._of_source[source]

    def _take(self, queue: deque[Event], longest: int, wait_s: float) -> None:
        if self._busy < self._most:
            self._busy += 1
            return
        if len(queue) >= longest:
            raise PasswordsBusyError
        handed_over = Event()
        queue.append(handed_over)
        try:
            handed_over.wait(wait_s)
        except BaseException:
            if handed_over.is_set():
                self._release()
            raise
        finally:
            if not handed_over.is_set():
                queue.remove(handed_over)
        if not handed_over.is_set():
            raise PasswordsBusyError

    def _release(self) -> None:
        """Hand the slot over to who waits: it is never free in between for somebody who has just come."""
        for queue in (self._first, self._others):
            if queue:
                queue.popleft().set()
                return
        self._busy -= 1

    def _is_full(self, source: bytes) -> bool:
        return len(self._others) >= OTHERS_QUEUE if self._has_tried(source) else len(self._first) >= FIRST_QUEUE

    def _has_tried(self, source: bytes) -> bool:
        return self._of_source[source] > 0 or self._failed.has(source)

    def _digest(self, text: str) -> bytes:
        """Return what stands for `text` in memory, from which nobody can tell it."""
        return hmac.digest(self._secret, text.encode("utf-8", "replace"), hashlib.sha256)


class _Memory:
    """What was added within the last `MEMORY_S`, at most `_MOST_REMEMBERED` of it."""

    def __init__(self) -> None:
        self._ends: dict[bytes, float] = {}

    def has(self, what: bytes) -> bool:
        return self._ends.get(what, 0.0) > time.monotonic()

    def add(self, what: bytes) -> None:
        self._ends.pop(what, None)
        self._ends[what] = time.monotonic() + MEMORY_S
        if len(self._ends) > _MOST_REMEMBERED:  # the oldest: a dictionary keeps the order
            del self._ends[next(iter(self._ends))]
