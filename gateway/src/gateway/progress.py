"""Requests in progress: those that one web process works on, without those that wait for a client or for their turn."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from chassis.networks import network_of
from gateway.errors import OverloadedError


class Progress:
    """About `most` requests are to be in progress, however many one source sends.

    While there are more, a source that has a quarter of them already gets no other one; those of other sources may
    make it twice as many.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self._of_source: Counter[str] = Counter()

    def is_full_for(self, source: str, *, busy: bool = False, has_waited: bool = False) -> bool:
        """Return whether another request of `source` is to be refused; `busy` if it would wait for a service.

        One that `has_waited` for its turn, and would not have been refused before, is refused only if there are far too
        many meanwhile.
        """
        if has_waited or self._count >= 2 * self._most:
            return self._count >= 2 * self._most
        return (busy or self._count >= self._most) and self._of_source[network_of(source)] >= self._most / 4

    @contextmanager
    def request(self, source: str) -> Iterator[None]:
        """Count one request more in the body."""
        with self._counted(network_of(source), 1):
            yield

    @contextmanager
    def waiting(self, source: str) -> Iterator[None]:
        """Count the request that is in progress as none in the body, which waits for something else than a service.

        Raise `OverloadedError` afterwards if there are too many meanwhile: many may have waited for the same moment.
        """
        with self._counted(network_of(source), -1):
            yield
            if self.is_full_for(source):
                raise OverloadedError

    @contextmanager
    def _counted(self, network: str, number: int) -> Iterator[None]:
        self._add(network, number)
        try:
            yield
        finally:
            self._add(network, -number)

    def _add(self, network: str, number: int) -> None:
        self._count += number
        self._of_source[network] += number
        if not self._of_source[network]:
            del self._of_source[network]
