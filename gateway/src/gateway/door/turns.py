"""Turns of the requests of one web process: whoever comes waits for a few others, however many came at once.

Between them the process looks at what has arrived meanwhile. Who needs no turn, as a health check, is answered then.
"""

import math
from collections import deque
from collections.abc import Callable

import gevent
from gevent.event import Event

AT_ONCE = 4
# Those who go last have to let others go first for one pause each, and not much longer than the limit.
_PAUSE_S, _MOST_PAUSED_S = 0.002, 0.04
_EACH_ROUND = 2  # the priority with which `gevent.idle` returns after one round of the event loop, however busy that is


class Turns:
    """Gives turns to requests: a few in each round of the event loop, and slower ones to those that go last."""

    def __init__(self) -> None:
        self._next: deque[Event] = deque()
        self._last: deque[Event] = deque()
        self._round = 0.0
        self._begun = 0

    def take_free(self) -> bool:
        """Take a turn if there is a free one in this round of the event loop; return whether there was."""
        this_round = gevent.get_hub().loop.now()
        if this_round != self._round:
            self._round, self._begun = this_round, 0
        if self._next or self._begun >= AT_ONCE:
            return False
        self._begun += 1
        return True

    def wait(self) -> None:
        """Wait for one's turn behind those who wait already."""
        self._wait_in(self._next, self._give_next)

    def wait_last(self) -> None:
        """Wait until others have had a turn, of which clients that do not wait for answers would take all."""
        self._wait_in(self._last, self._give_last)

    @staticmethod
    def _wait_in(queue: deque[Event], give: Callable[[], None]) -> None:
        turn = Event()
        queue.append(turn)
        if len(queue) == 1:
            gevent.spawn(give)
        turn.wait()

    def _give_next(self) -> None:
        while self._next:
            gevent.idle(_EACH_ROUND)
            for _ in range(min(AT_ONCE, len(self._next))):
                self._next.popleft().set()

    def _give_last(self) -> None:
        while self._last:
            gevent.sleep(_PAUSE_S)
            for _ in range(math.ceil(len(self._last) * _PAUSE_S / _MOST_PAUSED_S)):
                self._last.popleft().set()
