"""Work that several threads ask for at a time, done at once for all of them, as databases commit in groups."""

import threading
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from chassis.errors import DependencyDownError

Asked = TypeVar("Asked")
Made = TypeVar("Made")


@dataclass(eq=False)
class _Waiting(Generic[Asked, Made]):
    asked: Asked
    made: "Future[Made]" = field(default_factory=Future)


class Together(Generic[Asked, Made]):
    """Has `work` do at once what threads ask for at a time, at most `most` of it, and of the same `about` only one.

    Whoever comes first does it for all that wait by then, and whoever comes meanwhile waits for the end of that. If
    `work` fails for several, it is called for each alone, so that none fails because of another, unless a dependency is
    down.
    """

    def __init__(
        self, work: Callable[[Sequence[Asked]], Sequence[Made]], about: Callable[[Asked], Hashable], most: int
    ) -> None:
        self._work = work
        self._about = about
        self._most = most
        self._lock = threading.Lock()
        self._waiting: list[_Waiting[Asked, Made]] = []
        self._working = threading.Lock()

    def __call__(self, asked: Asked) -> Made:
        """Return what `work` makes of `asked`, and raise what it raises."""
        mine = _Waiting[Asked, Made](asked)
        with self._lock:
            self._waiting.append(mine)
        with self._working:
            while not mine.made.done():
                self._serve(self._take())
        return mine.made.result()

    def _take(self) -> list[_Waiting[Asked, Made]]:
        """Take those who go together, in the order in which they came."""
        with self._lock:
            taken: dict[Hashable, _Waiting[Asked, Made]] = {}
            for each in self._waiting:
                if len(taken) < self._most:
                    taken.setdefault(self._about(each.asked), each)
            left = set(taken.values())
            self._waiting = [each for each in self._waiting if each not in left]
        return [*taken.values()]

    def _serve(self, together: Sequence[_Waiting[Asked, Made]]) -> None:
        try:
            made = [*zip(together, self._work([each.asked for each in together]), strict=True)]
        except BaseException as fault:  # noqa: BLE001 - whatever it is, those who asked raise it, and none waits for ever
            if len(together) > 1 and isinstance(fault, Exception) and not isinstance(fault, DependencyDownError):
                for each in together:
                    self._serve([each])
                return
            for each in together:
                each.made.set_exception(fault)
        else:
            for each, result in made:
                each.made.set_result(result)
