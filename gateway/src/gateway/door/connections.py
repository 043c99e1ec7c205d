"""All connections of one web process: when there are too many, the one that has been silent longest gives way."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from gateway import metrics

# Smaller answers do not count: nearly all are, and adding up those of all connections for each would cost too much.
_SMALL = 64 * 1024


class Connection(Protocol):
    """A connection of the network `source`: when bytes last `moved`, and how many of an answer are `unsent`."""

    source: str
    moved: float
    unsent: int

    @property
    def is_idle(self) -> bool:
        """Whether the client has nothing under way."""
        ...

    def hang_up(self) -> None:
        """End the connection, also for whoever waits for its client at the moment."""
        ...


class Connections:
    """At most `most` connections, `most_per_source` of one address, and `most_unsent` bytes of answers in memory.

    A connection can give way whenever it waits for its client, or until others have had a turn; one that waits for its
    own turn, or for the services, never does.
    """

    def __init__(self, most: int, most_per_source: int, most_unsent: int) -> None:
        self._most = most
        self._most_per_source = most_per_source
        self._most_unsent = most_unsent
        self._open: set[Connection] = set()
        self._of_source: Counter[str] = Counter()
        # Those that wait for their client, the longest first: a dictionary keeps the order.
        self._waiting: dict[Connection, None] = {}
        # Those of them with much of an answer unsent.
        self._taking: dict[Connection, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, client: Connection) -> bool:
        """Take `client` in, if need be in place of another one; return False if nobody can give way."""
        if self._of_source[client.source] >= self._most_per_source and not self._drop_idlest(client.source):
            return False
        if len(self._open) >= self._most and not self._drop_idlest():
            return False
        self._open.add(client)
        metrics.CONNECTIONS.inc()
        self._of_source[client.source] += 1
        return True

    def leave(self, client: Connection) -> None:
        """Forget `client`, who was admitted; does nothing the second time."""
        if client not in self._open:
            return
        self._open.remove(client)
        metrics.CONNECTIONS.dec()
        self._of_source[client.source] -= 1
        if not self._of_source[client.source]:
            del self._of_source[client.source]

    @contextmanager
    def waiting(self, client: Connection) -> Iterator[None]:
        """Let `client` give way to others in the body, which waits for it."""
        if client in self._open:  # else it has given way already, or was never admitted
            self._waiting[client] = None
        if client.unsent > _SMALL:
            self._taking[client] = None
            self._bound_unsent()
        try:
            yield
        finally:
            self._waiting.pop(client, None)
            self._taking.pop(client, None)

    def has(self, client: Connection) -> bool:
        """Return whether `client` was admitted and has not given way."""
        return client in self._open

    def drop_idle(self, since: float) -> None:
        """Hang up on the clients that have had nothing under way since the moment `since`, of `time.monotonic`."""
        for client in [client for client in self._waiting if client.is_idle and client.moved < since]:
            self._drop(client)

    def _drop_idlest(self, source: str | None = None) -> bool:
        idlest = next((client for client in self._waiting if source in {None, client.source}), None)
        if idlest is not None:
            metrics.DROPPED.inc()
            self._drop(idlest)
        return idlest is not None

    def _drop(self, client: Connection) -> None:
        del self._waiting[client]
        self.leave(client)
        client.hang_up()

    def _bound_unsent(self) -> None:
        taking = [client for client in self._taking if client in self._waiting]
        unsent = sum(client.unsent for client in taking)
        for client in taking:
            if unsent <= self._most_unsent:
                return
            unsent -= client.unsent
            metrics.DROPPED.inc()
            self._drop(client)
