"""Passwords that auth has to hash: few at a time, those of sources without failures first, all others refused at once.

Hashing takes auth a thousand times the work of looking up a key. However many guesses come, API keys and passwords
that were right a moment ago do not wait here. This decides only when auth is asked, never what it answers.
"""

import hashlib
import hmac
import math
import secrets
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import gevent
from gevent.event import AsyncResult, Event
from prometheus_client import Gauge

from chassis.networks import network_of
from gateway import api_keys, metrics
from gateway.errors import PasswordsBusyError

MEMORY_S = 60.0
# A source without failures may wait. One with few waits so briefly that its answer still comes within 100 ms, and one
# with more than `FEW_FAILURES` not at all.
FIRST_WAIT_S, OTHERS_WAIT_S = 3.0, 0.05
FIRST_QUEUE, OTHERS_QUEUE = 32, 8
FEW_FAILURES = 5
# For so long after a refusal there are too many guesses.
RUSH_S = 1.0
# How long one check takes is estimated from those before: each counts for this share.
_NEWEST_SHARE = 0.2
_FIRST_GUESS_S = 0.03
# Requests of one source that wait for the answer about a password which is being asked about already. A client that
# sends many at once begins with such a moment.
MOST_FOLLOWERS, FOLLOW_S = 128, 10.0
_MOST_REMEMBERED = 10_000


class PasswordChecks:
    """At most `most` passwords of one web process are with auth at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._busy = 0
        # Sources with failures have half of the places, and when some are refused half of the time: others need the
        # processor as well.
        self._most_guesses = max(1, most // 2)
        self._guesses = 0
        self._refused = -math.inf  # when, by `time.monotonic`
        self._takes_s = _FIRST_GUESS_S
        self._first: deque[Event] = deque()
        self._others: deque[Event] = deque()
        self._secret = secrets.token_bytes(32)
        self._right = _Memory()
        self._failed = _Memory()
        self._same: dict[bytes, AsyncResult[None]] = {}
        self._followers: Counter[bytes] = Counter()

    def is_hopeless(self, authorization: str, source: str) -> bool:
        """Return whether `turn` would refuse a password at once."""
        if not api_keys.is_password(authorization):
            return False
        password = self._password(authorization, source)
        if self._right.count(password):
            return False
        if password in self._same:
            return self._may_not_follow(self._digest(network_of(source)))
        queue, longest, wait_s = self._queue_of(self._digest(network_of(source)))
        is_hopeless = not self._has_place(queue) and self._is_too_long(queue, longest, wait_s)
        if is_hopeless:
            self._refused = time.monotonic()
        return is_hopeless

    def was_right(self, authorization: str, source: str) -> bool:
        """Return whether `authorization` has a password that was right a moment ago, and came from the same network."""
        return api_keys.is_password(authorization) and bool(self._right.count(self._password(authorization, source)))

    @contextmanager
    def turn(self, authorization: str, source: str) -> Iterator[None]:
        """Wait until auth may be asked about `authorization`, which is asked about in the body.

        Raise `PasswordsBusyError` if that would take too long, and what the body has raised that asked about the same
        password meanwhile: if auth is away, it is so for all of them.
        """
        if not api_keys.is_password(authorization):
            yield
            return
        password = self._password(authorization, source)
        while not self._right.count(password) and (asked := self._same.get(password)) is not None:
            # A client sends a password several times at once: the first answer decides for all of them.
            self._follow(asked, self._digest(network_of(source)))
        if self._right.count(password):
            yield
            return
        asked = self._same[password] = AsyncResult()
        try:
            with self._slot(self._digest(network_of(source))):
                yield
        except Exception as fault:
            asked.set_exception(fault)
            raise
        finally:
            del self._same[password]
            if not asked.ready():
                asked.set()

    def note(self, authorization: str, source: str, status: int) -> None:
        """Note with which status auth has answered about `authorization`, which came from `source`."""
        if not api_keys.is_password(authorization):
            return
        # FORBIDDEN: the password is right, but its user is disabled.
        if status in {HTTPStatus.OK, HTTPStatus.FORBIDDEN}:
            self._right.add(self._password(authorization, source))
        elif status < HTTPStatus.INTERNAL_SERVER_ERROR:
            self._failed.add(self._digest(network_of(source)))

    def _may_not_follow(self, source: bytes) -> bool:
        return self._followers[source] >= MOST_FOLLOWERS or self._failed.count(source) > FEW_FAILURES

    def _follow(self, asked: "AsyncResult[None]", source: bytes) -> None:
        if self._may_not_follow(source):
            raise PasswordsBusyError
        self._followers[source] += 1
        try:
            asked.get(timeout=FOLLOW_S)
        except gevent.Timeout:
            raise PasswordsBusyError from None
        finally:
            self._followers[source] -= 1
            if not self._followers[source]:
                del self._followers[source]

    @contextmanager
    def _slot(self, source: bytes) -> Iterator[None]:
        queue, longest, wait_s = self._queue_of(source)
        self._take(queue, longest, wait_s)
        began = time.monotonic()
        try:
            yield
        finally:
            took_s = time.monotonic() - began
            self._takes_s += _NEWEST_SHARE * (took_s - self._takes_s)
            self._release(queue, rest_s=took_s)

    def _queue_of(self, source: bytes) -> tuple[deque[Event], int, float]:
        """Return the queue that `source` may wait in, how long that may become, and how long one may wait."""
        failures = self._failed.count(source)
        if not failures:
            return self._first, FIRST_QUEUE, FIRST_WAIT_S
        return self._others, OTHERS_QUEUE if failures <= FEW_FAILURES else 0, OTHERS_WAIT_S

    def _is_too_long(self, queue: deque[Event], longest: int, wait_s: float) -> bool:
        """Return whether `queue` is full, or so long that waiting in it would most likely be in vain."""
        places = self._most if queue is self._first else self._most_guesses
        return len(queue) >= longest or (len(queue) + 1) * self._takes_s / places > wait_s

    def _take(self, queue: deque[Event], longest: int, wait_s: float) -> None:
        if self._has_place(queue):
            self._begin(queue)
            return
        if self._is_too_long(queue, longest, wait_s):
            self._refused = time.monotonic()
            raise PasswordsBusyError
        handed_over = Event()
        queue.append(handed_over)
        self._waiting_of(queue).inc()
        try:
            handed_over.wait(wait_s)
        except BaseException:
            if handed_over.is_set():
                self._release(queue, rest_s=0)
            raise
        finally:
            if not handed_over.is_set():
                queue.remove(handed_over)
                self._waiting_of(queue).dec()
        if not handed_over.is_set():
            raise PasswordsBusyError

    def _has_place(self, queue: deque[Event]) -> bool:
        return self._busy < self._most and (queue is self._first or self._guesses < self._most_guesses)

    def _begin(self, queue: deque[Event]) -> None:
        self._busy += 1
        metrics.CHECKS_RUNNING.inc()
        self._guesses += queue is self._others

    def _release(self, queue: deque[Event], rest_s: float) -> None:
        """End a check of somebody in `queue`. If guesses are refused, another one takes its place after `rest_s`."""
        self._busy -= 1
        metrics.CHECKS_RUNNING.dec()
        if queue is self._first:
            self._hand_over()
        elif time.monotonic() - self._refused < RUSH_S:
            gevent.spawn_later(rest_s, self._end_rest)
            self._hand_over()
        else:
            self._end_rest()

    def _end_rest(self) -> None:
        self._guesses -= 1
        self._hand_over()

    def _hand_over(self) -> None:
        """Give places to those who wait: they are never free in between for somebody who has just come."""
        for queue in (self._first, self._others):
            while queue and self._has_place(queue):
                self._begin(queue)
                self._waiting_of(queue).dec()
                queue.popleft().set()

    def _waiting_of(self, queue: deque[Event]) -> Gauge:
        return metrics.CHECKS_FIRST if queue is self._first else metrics.CHECKS_OTHERS

    def _password(self, authorization: str, source: str) -> bytes:
        """Return what stands for `authorization` from `source`.

        What is right for one source must not be told to others, who could try passwords here without being counted.
        """
        return self._digest(f"{network_of(source)}\0{authorization}")

    def _digest(self, text: str) -> bytes:
        """Return what stands for `text` in memory, from which nobody can tell it."""
        return hmac.digest(self._secret, text.encode("utf-8", "replace"), hashlib.sha256)


class _Memory:
    """How often something was added; forgotten `MEMORY_S` after the last time, or when there is too much."""

    def __init__(self) -> None:
        self._counts: dict[bytes, tuple[int, float]] = {}

    def count(self, what: bytes) -> int:
        count, ends = self._counts.get(what, (0, 0.0))
        return count if ends > time.monotonic() else 0

    def add(self, what: bytes) -> None:
        count = self.count(what)
        self._counts.pop(what, None)
        self._counts[what] = count + 1, time.monotonic() + MEMORY_S
        if len(self._counts) > _MOST_REMEMBERED:  # the oldest: a dictionary keeps the order
            del self._counts[next(iter(self._counts))]
