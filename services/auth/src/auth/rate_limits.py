"""Limits of what a user may do a minute, kept by all processes of auth together without a write for each request.

A process takes a part of what is left of a user's minute out of the database, and lets as many requests pass by itself:
that is its lease. All leases together are never more than the limit. They become smaller as less is left, so that
little is lost with a process that gets no more requests of the user in this minute.
"""

import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from auth import metrics
from auth.adapters.store import Store
from auth.errors import RateLimitedError
from chassis.database.database import Database
from chassis.errors import DependencyDownError
from chassis.tokens import Method

log = structlog.get_logger(__name__)

# The names of the limits, as clients see them.
REQUESTS, WRITES = "requests", "writes"
MINUTE = timedelta(minutes=1)
# A lease is this part of what is left.
_SHARE = 8
# While the database gives no leases, it is asked for one at most so often.
_PAUSE_S = 5.0


@dataclass
class _Lease:
    """How many requests this process may let pass until `ends`, and how many are left to be taken from the database.

    `ends` is of `time.monotonic`, `left` as it was when the lease was taken.
    """

    count: int
    left: int
    ends: float

    @property
    def rest(self) -> int:
        return self.count + self.left

    @property
    def ends_in_s(self) -> int:
        return max(1, math.ceil(self.ends - time.monotonic()))


@dataclass
class _Leases:
    """The leases of one user by the names of the limits, for one thread at a time."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    of_limit: dict[str, _Lease] = field(default_factory=dict)

    @property
    def are_over(self) -> bool:
        return all(lease.ends <= time.monotonic() for lease in list(self.of_limit.values()))


class RateLimits:
    """The limits of every user: `a_minute` has them by name, 0 is none. Tests have minutes of another `length`."""

    def __init__(self, database: Database[Store], a_minute: Mapping[str, int], length: timedelta = MINUTE) -> None:
        self._database = database
        self._a_minute = {name: most for name, most in a_minute.items() if most}
        self._length = length
        self._of_user: dict[tuple[str, Method], _Leases] = {}
        self._lock = threading.Lock()
        self._tidied = time.monotonic()
        self._paused_until = 0.0

    def admit(self, user_id: str, method: Method, *, writes: bool, count: int = 1) -> dict[str, str]:
        """Count a request of a user, which `writes` or only reads; return headers that tell what is left of the limits.

        A request for several changes at once counts as `count`: it passes if as many are left.

        Requests with the password, and those with API keys, each have the limits by themselves: whoever uses a key that
        has leaked does not keep its owner from revoking it.

        Raise `RateLimitedError` if less is left; such a request does not count. While the database gives no leases,
        requests pass uncounted: nobody is refused because a count cannot be written.
        """
        if not self._a_minute:
            return {}
        leases = self._leases_of(user_id, method)
        with leases.lock:
            found = {name: self._lease(leases, user_id, method, name, count) for name in self._counting(writes=writes)}
            known = {name: lease for name, lease in found.items() if lease is not None}
            for name, lease in known.items():
                if lease.count < count:
                    metrics.THROTTLED.labels(name).inc()
                    raise RateLimitedError(name, self._a_minute[name], count, lease.ends_in_s, self._headers(known))
            for lease in known.values():
                lease.count -= count
            return self._headers(known)

    def admit_at_once(self, user_id: str, method: Method, *, writes: bool, count: int = 1) -> dict[str, str] | None:
        """Count a request as `admit` does if the leases at hand are enough for it. Else return None, and count nothing.

        This neither asks the database nor waits for another thread that does.
        """
        if not self._a_minute:
            return {}
        leases = self._leases_of(user_id, method)
        if not leases.lock.acquire(blocking=False):
            return None
        try:
            held = {name: leases.of_limit.get(name) for name in self._counting(writes=writes)}
            now = time.monotonic()
            known = {name: lease for name, lease in held.items() if lease and lease.ends > now and lease.count >= count}
            if len(known) < len(held):
                return None
            for lease in known.values():
                lease.count -= count
            return self._headers(known)
        finally:
            leases.lock.release()

    def _counting(self, *, writes: bool) -> Sequence[str]:
        """Return the names of the limits that count a request, which `writes` or only reads."""
        return [name for name in self._a_minute if writes or name != WRITES]

    def limits(self) -> dict[str, int | None]:
        """Return how much every user may send a minute, by the names of the limits; None is no limit."""
        return {name: self._a_minute.get(name) for name in (REQUESTS, WRITES)}

    def use(self, user_id: str, method: Method) -> dict[str, int | None]:
        """Return about how much a user has sent in the present minute by this `method`; None where it is not counted.

        What other processes have taken and not used yet counts as sent. Raise `DependencyDownError`.
        """
        taken = self._database.read(Store.taken_of_minutes, user_id) if self._a_minute else {}
        own = self._leases_of(user_id, method).of_limit
        used: dict[str, int | None] = {REQUESTS: None, WRITES: None}
        for name, most in self._a_minute.items():
            held = own[name].count if name in own and own[name].ends > time.monotonic() else 0
            used[name] = max(0, min(most, taken.get(_counted_as(name, method), 0)) - held)
        return used

    def _leases_of(self, user_id: str, method: Method) -> _Leases:
        with self._lock:
            if time.monotonic() - self._tidied > self._length.total_seconds():
                self._tidied = time.monotonic()
                self._of_user = {known: leases for known, leases in self._of_user.items() if not leases.are_over}
            return self._of_user.setdefault((user_id, method), _Leases())

    def _lease(self, leases: _Leases, user_id: str, method: Method, name: str, count: int) -> _Lease | None:
        """Return the present lease of a user, with more taken if it has less than `count`, and as much is left.

        None if the database gives none.
        """
        lease = leases.of_limit.get(name)
        if lease is not None and lease.ends <= time.monotonic():
            lease = None
        if lease is not None and (lease.count >= count or lease.rest < count):
            return lease
        most = self._a_minute[name]
        count = count if count <= most else 1  # what never passes takes nothing away from the other processes
        if time.monotonic() < self._paused_until:
            return None
        held, left = (0, most) if lease is None else (lease.count, lease.left)
        wanted = min(left, max(1, count - held, left // _SHARE))
        try:
            taken = self._database.transact(
                Store.take_of_minute, user_id, _counted_as(name, method), wanted, self._length
            )
        except DependencyDownError:  # logged with its reason where it was raised
            self._paused_until = time.monotonic() + _PAUSE_S
            log.warning("requests are not counted", limit=name, for_s=_PAUSE_S)
            return None
        lease = _Lease(
            count=held + min(wanted, max(0, most - (taken.count - wanted))),
            left=max(0, most - taken.count),
            ends=time.monotonic() + taken.lasts.total_seconds(),
        )
        leases.of_limit[name] = lease
        return lease

    def _headers(self, known: Mapping[str, _Lease]) -> dict[str, str]:
        """Return the headers of draft-ietf-httpapi-ratelimit-headers: all limits, and what is left of those `known`."""
        length_s = int(self._length.total_seconds())
        policies = [f'"{name}";q={most};w={length_s}' for name, most in self._a_minute.items()]
        rests = [f'"{name}";r={lease.rest};t={lease.ends_in_s}' for name, lease in known.items()]
        return {"RateLimit-Policy": ", ".join(policies), **({"RateLimit": ", ".join(rests)} if rests else {})}


def _counted_as(name: str, method: Method) -> str:
    """Return how the database calls the limit `name` for what comes by `method`."""
    return name if method == "key" else f"own-{name}"
