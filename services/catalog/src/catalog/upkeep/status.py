"""What is up, what waits, how much was done lately, and what failed: one look at the whole installation.

Each part is looked at by itself, so that one that is away hides none of the others.
"""

import json
import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any

import urllib3

from catalog.adapters.operators_store import OperatorsStore
from catalog.domain import Failures, OpenWork
from catalog.jobs import queues as queues_of_jobs
from chassis.broker.depths import Depth, Depths
from chassis.clock import now
from chassis.database.database import Database
from chassis.errors import DependencyDownError

# Rates are of the last so many minutes.
MINUTES = (1, 5, 15)
FAILED_WITHIN = timedelta(days=1)
_TIMEOUT_S = 3.0
_VERSION = re.compile(r'^imghost_build_info\{[^}]*version="([^"]*)"', re.MULTILINE)
_REQUESTS = re.compile(r"^imghost_http_request_duration_seconds_count\{([^}]*)\} (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Part:
    """A process, the database or the broker: whether it is up, how long it took to say so, and what is wrong with it.

    `requests` and `server_errors` are what a web service has answered since its start, None if it does not tell.
    """

    is_up: bool
    ms: float
    problem: str = ""
    version: str = ""
    requests: float | None = None
    server_errors: float | None = None


@dataclass(frozen=True)
class Status:
    """What was found at `date`. What could not be looked at is empty; `parts` tell why."""

    date: datetime
    parts: Mapping[str, Part]
    work: OpenWork | None = None
    queues: Mapping[str, Depth] = field(default_factory=dict)
    done: Mapping[str, Sequence[int]] = field(default_factory=dict)
    failures: Sequence[Failures] = ()

    @property
    def is_well(self) -> bool:
        """Whether everything is up, and has no problem to tell of."""
        return all(part.is_up and not part.problem for part in self.parts.values())


def look(database: Database[OperatorsStore], depths: Depths, urls: Mapping[str, Sequence[str]]) -> Status:
    """Look at everything. `urls` are by the names of processes: /readyz is asked at the first, /metrics at the last."""
    with ThreadPoolExecutor(len(urls) + 2) as threads, urllib3.PoolManager() as pool:
        asked = {name: threads.submit(_ask, pool, url) for name, url in urls.items()}
        measured = threads.submit(_measure, depths)
        of_database, work, done, failures = _read(database)
        of_broker, queues = measured.result()
        parts = {"database": of_database, "broker": of_broker} | {name: each.result() for name, each in asked.items()}
    return Status(now(), parts, work, queues, done, failures)


def _read(
    database: Database[OperatorsStore],
) -> tuple[Part, OpenWork | None, Mapping[str, Sequence[int]], Sequence[Failures]]:
    began, moment = time.monotonic(), now()
    since = [moment - timedelta(minutes=each) for each in MINUTES]
    try:
        work = database.read(OperatorsStore.open_work)
        took_ms = _ms(began)
        done = {
            **database.read(OperatorsStore.sent_since, since),
            **database.read(OperatorsStore.answered_since, since),
        }
        failures = database.read(OperatorsStore.failures, moment - FAILED_WITHIN)
        settled = database.read(OperatorsStore.installation).is_settled
    except DependencyDownError as fault:
        return Part(is_up=False, ms=_ms(began), problem=fault.reason), None, {}, ()
    problem = "" if settled else "restored into another database; see: catalog installation"
    return Part(is_up=True, ms=took_ms, problem=problem), work, done, failures


def _measure(depths: Depths) -> tuple[Part, Mapping[str, Depth]]:
    began = time.monotonic()
    try:
        queues = {queue.name: depths.measure(queue) for queue in queues_of_jobs.ALL}
    except DependencyDownError as fault:
        return Part(is_up=False, ms=_ms(began), problem=fault.reason), {}
    idle = [name for name, depth in queues.items() if not depth.consumers]
    problem = f"nobody takes messages from {' and '.join(idle)}" if idle else ""
    return Part(is_up=True, ms=_ms(began), problem=problem), queues


def _ask(pool: urllib3.PoolManager, urls: Sequence[str]) -> Part:
    began = time.monotonic()
    get = partial(pool.request, "GET", timeout=_TIMEOUT_S, retries=False, redirect=False)
    try:
        answer = get(f"{urls[0].rstrip('/')}/readyz")
        took_ms = _ms(began)
        shown = get(f"{urls[-1].rstrip('/')}/metrics")
    except urllib3.exceptions.HTTPError as fault:
        return Part(is_up=False, ms=_ms(began), problem=_in_words(fault))
    metrics = shown.data.decode(errors="replace") if shown.status == HTTPStatus.OK else ""
    version = _VERSION.search(metrics)
    counts = [(labels, float(count)) for labels, count in _REQUESTS.findall(metrics)]
    return Part(
        is_up=answer.status == HTTPStatus.OK,
        ms=took_ms,
        problem=_problem(answer.data),
        version=version[1] if version else "",
        requests=sum(count for _, count in counts) if counts else None,
        server_errors=sum(count for labels, count in counts if 'status="5xx"' in labels) if counts else None,
    )


def _problem(body: bytes) -> str:
    """Return what is wrong by the body of an answer of /readyz, empty if nothing is."""
    try:
        document: dict[str, Any] = json.loads(body)
        checks = {**document["own"], **document["shared"]}
        reasons = document.get("reasons", {})
        return ", ".join(
            f"{name}: {reasons.get(name, 'fails')}" for name, passed in checks.items() if passed is not True
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return "answers something else than the state of a process of imghost"


def _in_words(fault: Exception) -> str:
    if isinstance(fault, urllib3.exceptions.TimeoutError) and not isinstance(
        fault, urllib3.exceptions.NewConnectionError
    ):
        return f"no answer within {_TIMEOUT_S:g} s"
    return str(fault).rpartition(": ")[2]


def _ms(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 1)
