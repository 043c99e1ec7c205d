"""Requests in progress: how many one web process works on, without those that wait for a client or for their turn."""

from collections.abc import Iterator
from contextlib import contextmanager


class Progress:
    """At most `most` requests are to be in progress. Whoever begins one looks at `is_full` before."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0

    @property
    def is_full(self) -> bool:
        """Whether another request would have to wait for those in progress."""
        return self._count >= self._most

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count one request more in the body."""
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the request that is in progress as none in the body, which waits for something else than a service."""
        self._count -= 1
        try:
            yield
        finally:
            self._count += 1
