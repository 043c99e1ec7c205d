"""Two transactions at the same time, without luck: the second begins while the first is certainly open."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TypeVar

from chassis.database.database import Database

Store = TypeVar("Store")

HELD_S = 0.5


def while_open(database: Database[Store], first: Callable[[Store], object], second: Callable[[], object]) -> None:
    """Call `second` while the transaction is open in which `first` was called.

    That one is committed when `second` returns or raises, or after `HELD_S` if it waits for the commit.
    """
    begun, over = Event(), Event()

    def hold(store: Store) -> None:
        first(store)
        begun.set()
        over.wait(HELD_S)

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(database.transact, hold)
        try:
            assert begun.wait(10), "the first transaction does not begin"
            second()
        finally:
            over.set()
        holding.result()
