"""Turns of the requests of one web process: whoever comes waits for a few others, however many came at once.

Between them the process looks at what has arrived meanwhile. Health checks go first then, which take next to no time:
whoever watches the process would end one that is only busy.
"""

import math
import time
from collections import Counter, deque

import gevent
from gevent.event import Event

from gateway import metrics

GO_FIRST = frozenset({"/healthz", "/readyz"})
AT_ONCE = 4
READ_AT_ONCE = 64
FIRST_AT_ONCE = 8  # more of those that go first are no health checks, but a flood of them
# After a round that took longer only one begins: until the next one nobody can be refused either.
LONG_ROUND_S = 0.02
# Many may wait if they came at the same moment, but if the first of them has waited for long, there are more than can
# be answered: the time tells, not the number. This is the idea of "Controlled Delay" (RFC 8289).
MOST_WAITING, LONGEST_WAIT_S = 128, 1.0
_FEW = 4
# Those who go last have to let others go first for one pause each, and not much longer than the limit.
_PAUSE_S, _MOST_PAUSED_S = 0.002, 0.04
# The head of a health check is short, whoever sends it. Reading a long one takes as long as others do.
LONGEST_HEALTH_CHECK = 1024
_HEALTH_CHECKS = tuple(f"{method} {path} ".encode() for method in ("GET", "HEAD") for path in GO_FIRST)
# The priority with which an idle watcher is called once in each round of the event loop, however busy that is.
EACH_ROUND = 2


def is_health_check(sent: bytes) -> bool:
    """Return whether `sent`, the first bytes of a request, are those of a health check, which goes first."""
    return sent.startswith(_HEALTH_CHECKS) and len(sent) <= LONGEST_HEALTH_CHECK


class _Line:
    """Requests that wait for one of `at_once` turns in each round, those of all sources alike if `by_source`.

    `name` is that of the line in metrics.
    """

    def __init__(self, name: str, at_once: int, *, by_source: bool) -> None:
        self._length = metrics.TURNS_WAITING.labels(name)
        self._at_once = at_once
        self._by_source = by_source
        self._waiting: deque[tuple[Event, str, float]] = deque()  # each since when
        self._of_source: Counter[str] = Counter()
        self._taken = 0  # in this round

    def take_free(self) -> bool:
        if self._waiting or self._taken >= self._at_once:
            return False
        self._taken += 1
        return True

    def is_full_for(self, source: str) -> bool:
        if not self._waiting:
            return False
        part = 1.0
        if self._by_source and self._of_source[source] < _FEW:
            part = 3.0
        elif self._by_source and self._of_source[source] >= len(self._waiting) / 4:
            part = 0.5
        waited_s = time.monotonic() - self._waiting[0][2]
        return len(self._waiting) >= part * MOST_WAITING or waited_s >= part * LONGEST_WAIT_S

    def join(self, source: str) -> Event:
        turn = Event()
        self._waiting.append((turn, source, time.monotonic()))
        self._of_source[source] += 1
        self._length.inc()
        return turn

    def begin_round(self, *, after_long: bool = False) -> bool:
        """Give the turns of another round, few `after_long` ones; return whether any were taken."""
        given = min(1 if after_long else self._at_once, len(self._waiting))
        # Whoever comes in a round in which turns are given would be there before those who have waited for them.
        self._taken = self._at_once if given else 0
        for _ in range(given):
            turn, source, _since = self._waiting.popleft()
            self._length.dec()
            self._of_source[source] -= 1
            if not self._of_source[source]:
                del self._of_source[source]
            turn.set()
        return given > 0


class Turns:
    """Gives turns to requests: a few in each round of the event loop, and slower ones to those that go last.

    Those that go `first` have turns of their own. A source that has a quarter of those who wait is refused when half as
    many wait as may, or half as long; one that has very few goes on until it is three times as many, or as long. So it
    is unless `by_source` is False: then one address sends the requests of many clients.
    """

    def __init__(self, *, by_source: bool) -> None:
        self._first = _Line("first", FIRST_AT_ONCE, by_source=by_source)
        self._next = _Line("next", AT_ONCE, by_source=by_source)
        self._reading = _Line("reading", READ_AT_ONCE, by_source=by_source)
        self._last: deque[Event] = deque()
        self._length_of_last = metrics.TURNS_WAITING.labels("last")
        self._rounds = gevent.get_hub().loop.idle(priority=EACH_ROUND)
        self._round_began = 0.0

    def take_free(self, *, first: bool) -> bool:
        """Take a turn if one is free in this round of the event loop, and nobody waits; return whether it was taken."""
        taken = self._line(first=first).take_free()
        if taken:
            self._rounds.start(self._begin_round)
        return taken

    def are_taken_for(self, source: str, *, first: bool) -> bool:
        """Return whether so many wait that a turn of another request of `source` would come too late."""
        return self._line(first=first).is_full_for(source)

    def wait(self, source: str, *, first: bool) -> None:
        """Wait for the turn of a request of `source` behind those who wait already."""
        turn = self._line(first=first).join(source)
        self._rounds.start(self._begin_round)
        turn.wait()

    def wait_to_read(self, source: str) -> None:
        """Wait, if many have sent a request at the same moment, until that of `source` may be read.

        Reading is quick, but thousands of requests take a while, even if they are refused.
        """
        if self._reading.take_free():
            self._rounds.start(self._begin_round)
            return
        turn = self._reading.join(source)
        self._rounds.start(self._begin_round)
        turn.wait()

    def _line(self, *, first: bool) -> _Line:
        return self._first if first else self._next

    def _begin_round(self) -> None:
        began, self._round_began = self._round_began, time.monotonic()
        after_long = self._round_began - began > LONG_ROUND_S
        taken = [
            self._first.begin_round(),
            self._next.begin_round(after_long=after_long),
            self._reading.begin_round(),
        ]
        if not any(taken):
            self._rounds.stop()

    def wait_last(self) -> None:
        """Wait until others have had a turn, of which clients that do not wait for answers would take all."""
        turn = Event()
        self._last.append(turn)
        self._length_of_last.inc()
        if len(self._last) == 1:
            gevent.spawn(self._give_last)
        turn.wait()

    def _give_last(self) -> None:
        while self._last:
            gevent.sleep(_PAUSE_S)
            for _ in range(math.ceil(len(self._last) * _PAUSE_S / _MOST_PAUSED_S)):
                self._length_of_last.dec()
                self._last.popleft().set()
