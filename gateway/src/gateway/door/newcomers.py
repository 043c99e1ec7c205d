"""The line of connections that have been accepted and have not begun: whoever has sent something goes first.

Those of all sources go in turn, as in fair queueing (RFC 7806): the many of one address hold up each other, not the few
of another one. Silent ones have nothing to wait for but their own first byte, and hold up nobody.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any


@dataclass(eq=False)
class Newcomer:
    """A connection `sock` from `address`, of the network `source`, and what waits for its first byte, if it does."""

    sock: Any
    address: Any
    source: str
    first_byte: Any = None

    def stop_watching(self) -> None:
        """End the wait for the first byte."""
        if self.first_byte is not None:
            self.first_byte.close()
            self.first_byte = None


class Newcomers:
    """The line, in which `most` wait, and `most_per_source` of one network."""

    def __init__(self, most: int, most_per_source: int) -> None:
        self._most, self._most_per_source = most, most_per_source
        self._senders: dict[str, dict[Newcomer, None]] = {}  # by source; dictionaries keep the order
        self._silent: dict[Newcomer, None] = {}
        self._of_source: Counter[str] = Counter()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def has_senders(self) -> bool:
        """Whether somebody waits who has sent something."""
        return bool(self._senders)

    @property
    def is_full(self) -> bool:
        """Whether no more can wait, of however many sources."""
        return len(self) >= self._most

    def is_full_for(self, source: str) -> bool:
        """Return whether no more of `source` can wait."""
        return self._of_source[source] >= self._most_per_source

    def join(self, newcomer: Newcomer, *, has_sent: bool) -> None:
        """Put `newcomer` at the end of the line of its source, or of those who have sent nothing."""
        self._length += 1
        self._of_source[newcomer.source] += 1
        if has_sent:
            self._senders.setdefault(newcomer.source, {})[newcomer] = None
        else:
            self._silent[newcomer] = None

    def leave(self, newcomer: Newcomer) -> None:
        """Take `newcomer` out of the line."""
        self._length -= 1
        self._of_source[newcomer.source] -= 1
        if not self._of_source[newcomer.source]:
            del self._of_source[newcomer.source]
        if newcomer in self._silent:
            del self._silent[newcomer]
            return
        of_source = self._senders[newcomer.source]
        del of_source[newcomer]
        if not of_source:
            del self._senders[newcomer.source]

    def take_idlest(self, source: str | None = None) -> Newcomer | None:
        """Take out whoever has been silent for longest, of `source` if that is named; None if nobody is silent."""
        idlest = next((each for each in self._silent if source in {None, each.source}), None)
        if idlest is not None:
            self.leave(idlest)
        return idlest

    def take_next(self) -> Newcomer:
        """Take out who is to begin next. Raise `StopIteration` if nobody waits."""
        source, of_source = next(iter(self._senders.items()), ("", self._silent))
        newcomer = next(iter(of_source))
        self.leave(newcomer)
        if source in self._senders:  # it is the last in turn now
            self._senders[source] = self._senders.pop(source)
        return newcomer
