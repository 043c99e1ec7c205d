"""The worker of catalog: what it is made of, and what each message of imaging and auth makes it do."""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import product
from typing import Any

import sqlalchemy as sa
import structlog

from catalog import messages, metrics
from catalog.adapters.store import Store
from catalog.adapters.tables import audit_notes, kept_answers, kept_in_hours, outbox
from catalog.bootstrap import checks, make_database
from catalog.domain import Answer, Failed, Processed, Registration, ThumbsDeleted
from catalog.jobs import results
from catalog.jobs.queues import ALL, DELETION_RESULTS, RESULTS
from catalog.jobs.results import Outcome, Received
from catalog.jobs.watchdog import Watchdog
from catalog.key_queue import Effect
from catalog.settings import WorkerSettings
from catalog.upkeep.dead_letters import keep
from catalog.users import forget_user
from chassis import request_ids, tracing
from chassis.broker import relay as chassis_relay
from chassis.broker.consumer import Consumer
from chassis.broker.depths import Depths
from chassis.broker.drain import Drain, DrainedMessage
from chassis.broker.publisher import Publisher
from chassis.broker.relay import Relay
from chassis.broker.topology import SHORTEST_DELAY_S
from chassis.broker.verdicts import Handler, TransientError
from chassis.clock import now
from chassis.database import audit_notes as chassis_audit_notes
from chassis.database import kept_answers as chassis_kept_answers
from chassis.database.database import Database
from chassis.envelope import Event
from chassis.errors import DependencyDownError
from chassis.together import Together
from chassis.worker import Worker, every

log = structlog.get_logger(__name__)

# Some may be busy with what belongs to deleted users; that is interrupted after this time, and retried.
DELETION_THREADS = 8
FORGET_S = 10.0
WATCH_EVERY_S = 15.0
# The names of answers in metrics.
_RESULTS: dict[type[Answer], str] = {Processed: "processed", Failed: "failed", ThumbsDeleted: "thumbs-deleted"}
_GIVEN_UP = "given-up"
# With its name, an exemplar may have 128 characters (OpenMetrics).
_LONGEST_EXEMPLAR = 100
TIDY_EVERY_S = 60.0
TIDY_BATCH = 1000
# How long the image is remembered that was deleted at a key. Copies of its messages are gone by then.
DELETED_IMAGES = timedelta(days=1)


def make_worker(settings: WorkerSettings) -> Worker:
    """Return the worker that `settings` describe."""
    database = make_database(settings)
    broker_url = settings.broker_url.get_secret_value()
    stop = threading.Event()
    relaying, retrying = Publisher(broker_url, "catalog relay"), Publisher(broker_url, "catalog retries")
    relay = Relay(database.engine, outbox, relaying, stop, may_relay)
    consumer, deletions = (
        Consumer(broker_url, queue, handler(database, threads), retrying, threads=threads, stop=stop)
        for queue, threads in ((RESULTS, settings.worker_threads), (DELETION_RESULTS, DELETION_THREADS))
    )
    drain = Drain(broker_url, ALL, partial(keep_letter, database), stop)
    depths = Depths(broker_url)
    watchdog = Watchdog(database, depths, ALL, timedelta(seconds=settings.stuck_after_s))
    for result, effect in product((*_RESULTS.values(), _GIVEN_UP), Effect):
        metrics.RESULTS.labels(result, effect.value)  # a counter that begins with its first event hides it from rates
    reserved = timedelta(seconds=settings.upload_prefix_s)
    own, shared = checks(database)
    return Worker(
        loops={
            "relay": relay.run,
            "outbox": every(chassis_relay.TIDY_EVERY_S, relay.tidy, stop),
            "results": consumer.run,
            "deletions": deletions.run,
            "dead letters": drain.run,
            "watchdog": every(WATCH_EVERY_S, watchdog.look, stop),
            "upload prefixes": every(
                TIDY_EVERY_S,
                lambda: forget(Store.forget_upload_prefixes, database, reserved, stop),
                stop,
            ),
            "deleted images": every(
                TIDY_EVERY_S, lambda: forget(Store.forget_deleted_images, database, DELETED_IMAGES, stop), stop
            ),
            "audit": every(
                chassis_audit_notes.EVERY_S, lambda: chassis_audit_notes.write(database.engine, audit_notes), stop
            ),
            "kept answers": every(
                chassis_kept_answers.SWEEP_EVERY_S,
                lambda: chassis_kept_answers.forget_old(database.engine, kept_answers, kept_in_hours, stop),
                stop,
            ),
        },
        stop=stop,
        own=own,
        shared={**shared, "broker": lambda: consumer.connected.is_set() and deletions.connected.is_set()},
        prepare=database.wait_for_schema,
        close=[relaying.close, retrying.close, depths.close],
    )


def may_relay(connection: sa.Connection) -> bool:
    """Return whether jobs may be sent: not while it is unsettled which installation the database is of.

    All jobs, old and new, say that their thumbs are of the installation that the database was copied from, and that one
    may be at work on the same bucket.
    """
    return Store(connection).installation().is_settled


def forget(
    old: Callable[[Store, datetime, int], int],
    database: Database[Store],
    kept: timedelta,
    stop: threading.Event,
    batch: int = TIDY_BATCH,
) -> None:
    """Have `old` delete what is kept longer than `kept`, `batch` in a transaction.

    Raise `DependencyDownError` without a database.
    """
    before = now() - kept
    while database.transact(old, before, batch) == batch and not stop.is_set():
        pass


def handler(database: Database[Store], threads: int) -> Handler:
    """Return `handle` for so many threads, which apply together what they have in hand."""

    def apply(received: Sequence[Received]) -> list[Outcome]:
        return database.transact(results.apply, received)

    def about(received: Received) -> str:
        return received.answer.registration.s3_key

    return partial(handle, database, Together(apply, about, threads))


def handle(database: Database[Store], applied: Callable[[Received], Outcome], event: Event, _attempt: int) -> None:
    """Apply `event` and commit. Raise `MalformedMessageError`, or `TransientError` if it has to be delivered again."""
    try:
        if event.type == messages.USER_DELETED:
            user_id = messages.read_deleted_user(event)
            if not forget_user(database.transact, user_id, FORGET_S):
                raise TransientError(f"more to forget of user {user_id}", delay_s=SHORTEST_DELAY_S, logged=True)
        else:
            answer = messages.read_answer(event)
            outcome = applied(Received(answer))
            _tell(_RESULTS[type(answer)], answer.registration, outcome)
    except DependencyDownError as fault:
        raise TransientError(str(fault)) from fault


def keep_letter(database: Database[Store], letter: DrainedMessage) -> None:
    """Keep a dead letter, and fail the image that it is about. Raise `DependencyDownError` without a database."""
    found = database.transact(keep, letter)
    if found is not None:
        _tell(_GIVEN_UP, *found)


def _tell(result: str, about: Registration, outcome: Outcome) -> None:
    """Count and log what is committed: a transaction may be repeated."""
    metrics.RESULTS.labels(result, outcome.effect.value).inc()
    shown: dict[str, Any] = {name: getattr(about, name) for name in ("image_id", "generation", "s3_bucket", "s3_key")}
    if outcome.ready_since is not None:
        took_s = (now() - outcome.ready_since).total_seconds()
        shown["ready_after_s"] = round(took_s, 3)
        tracing.current().happened("image ready", {"imghost.ready_after_s": took_s})
        request_id = request_ids.current()
        exemplar = {"request_id": request_id} if len(request_id) <= _LONGEST_EXEMPLAR else None
        metrics.READY.observe(max(0.0, took_s), exemplar)  # clocks may differ
    log.info("result applied", result=result, effect=outcome.effect.value, **shown)
