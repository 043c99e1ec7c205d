"""Turns of the requests of one web process: whoever comes waits for a few others, however many came at once.

Between them the process looks at what has arrived meanwhile. Health checks go first then, which take next to no time:
whoever watches the process would end one that is only busy.
"""

import math
from collections import deque

import gevent
from gevent.event import Event

GO_FIRST = frozenset({"/healthz", "/readyz"})
AT_ONCE = 4
FIRST_AT_ONCE = 8  # more of those that go first are no health checks, but a flood of them
MOST_WAITING = 96  # with a millisecond each, a tenth of a second
# Those who go last have to let others go first for one pause each, and not much longer than the limit.
_PAUSE_S, _MOST_PAUSED_S = 0.002, 0.04
# The priority with which an idle watcher is called once in each round of the event loop, however busy that is.
_EACH_ROUND = 2


class Turns:
    """Gives turns to requests: a few in each round of the event loop, and slower ones to those that go last."""

    def __init__(self) -> None:
        self._next: deque[Event] = deque()
        self._last: deque[Event] = deque()
        self._taken = self._taken_first = 0  # in this round
        self._rounds = gevent.get_hub().loop.idle(priority=_EACH_ROUND)

    def take_free(self, *, first: bool) -> bool:
        """Take a turn if there is a free one in this round of the event loop; return whether there was.

        Those who go `first` have turns of their own; the others have none while somebody waits.
        """
        if first and self._taken_first < FIRST_AT_ONCE:
            self._taken_first += 1
        elif not self._next and self._taken < AT_ONCE:
            self._taken += 1
        else:
            return False
        self._rounds.start(self._begin_round)
        return True

    @property
    def are_taken(self) -> bool:
        """Whether so many wait that a turn would come too late."""
        return len(self._next) >= MOST_WAITING

    def wait(self) -> None:
        """Wait for one's turn behind those who wait already."""
        turn = Event()
        self._next.append(turn)
        self._rounds.start(self._begin_round)
        turn.wait()

    def _begin_round(self) -> None:
        self._taken, self._taken_first = min(AT_ONCE, len(self._next)), 0
        for _ in range(self._taken):
            self._next.popleft().set()
        if not self._taken:
            self._rounds.stop()

    def wait_last(self) -> None:
        """Wait until others have had a turn, of which clients that do not wait for answers would take all."""
        turn = Event()
        self._last.append(turn)
        if len(self._last) == 1:
            gevent.spawn(self._give_last)
        turn.wait()

    def _give_last(self) -> None:
        while self._last:
            gevent.sleep(_PAUSE_S)
            for _ in range(math.ceil(len(self._last) * _PAUSE_S / _MOST_PAUSED_S)):
                self._last.popleft().set()
