"""Clients that go on asking, each as fast as it is answered, while something happens to the service."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

from clients import ValidatingClient

CLIENTS = 4


@contextmanager
def busy_clients(url: str, key: str, ask: Callable[[ValidatingClient], int]) -> Iterator[Counter[int]]:
    """Have clients with the API key `key` call `ask` all the time; yield how many answers had which status.

    `ask` sends a request and returns the status. The counts are complete when the context ends.
    """
    counts: Counter[int] = Counter()
    over = Event()

    def go_on() -> None:
        client = ValidatingClient(url, key)
        while not over.is_set():
            counts[ask(client)] += 1
        client.close()

    with ThreadPoolExecutor(CLIENTS) as pool:
        asking = [pool.submit(go_on) for _ in range(CLIENTS)]
        try:
            yield counts
        finally:
            over.set()
        for each in asking:
            each.result()
