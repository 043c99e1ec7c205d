"""The relay: publishes the events that are due in an outbox.

It publishes outside of any transaction, and afterwards marks the events that the broker has confirmed. If it dies in
between, they are sent again under the same message ids; consumers are idempotent.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
import structlog

from chassis import checkpoints, tracing
from chassis.broker import outbox_metrics as metrics
from chassis.broker.errors import NotPublishedError
from chassis.broker.publisher import Publisher
from chassis.clock import now
from chassis.database import outbox
from chassis.database.transactions import attempt, transact
from chassis.database.wakeup import Wakeup
from chassis.envelope import Event
from chassis.errors import DependencyDownError

log = structlog.get_logger(__name__)

# A relay that is woken by notifications polls seldom: for a notification that was missed, or a lease that ran out.
WAKEABLE_POLL_S = 1.0
POLL_S = 0.2
PAUSE_S = (0.2, 5.0)
TIDY_EVERY_S = 5.0


@dataclass
class Relay:
    """Moves events from the outbox `table` to the broker until `stop` is set; any number of relays may run at a time.

    `run` and `tidy` each need a loop; `tidy` is to be called every `TIDY_EVERY_S`. Events wait while `may_relay`
    returns False.
    """

    engine: sa.Engine
    table: sa.Table
    publisher: Publisher
    stop: threading.Event = field(default_factory=threading.Event)
    may_relay: Callable[[sa.Connection], bool] = lambda _connection: True
    wakeable_poll_s: float = WAKEABLE_POLL_S

    def run(self) -> None:
        """Relay until `stop` is set; retry whenever the database or the broker is lost."""
        pause_s = PAUSE_S[0]
        wakeup = Wakeup(self.engine, outbox.CHANNEL)  # of all relays one is woken
        while not self.stop.is_set():
            try:
                moved = self.relay_batch()
            except (NotPublishedError, DependencyDownError) as fault:
                log.warning("relay delayed", error=str(fault), pause_s=pause_s)
                wakeup.close()  # another relay may reach the broker, and is woken instead
                self.stop.wait(pause_s)
                pause_s = min(pause_s * 2, PAUSE_S[1])
                continue
            pause_s = PAUSE_S[0]
            if moved < outbox.BATCH:  # what was written meanwhile wakes it at once
                wakeup.wait(self.wakeable_poll_s, POLL_S, self.stop)
        wakeup.close()

    def relay_batch(self) -> int:
        """Publish one batch of due rows; return how many the broker confirmed.

        Raise `NotPublishedError` or `DependencyDownError`; rows that were confirmed by then are marked, if the database
        is available.
        """
        rows = transact(self.engine, self._lease)
        confirmed: list[str] = []
        refused: NotPublishedError | None = None
        sent = [(row, self._submit(row)) for row in rows]
        for row, result in sent:  # if the broker takes too long, all of them fail together
            try:
                result.result()
            except NotPublishedError as fault:
                metrics.PUBLISH_FAILURES.labels("away" if fault.broker_is_away else "refused").inc()
                refused = fault
            else:
                confirmed.append(row.id)
                metrics.PUBLISHED.labels(row.type).inc()
        if confirmed:
            checkpoints.reached(checkpoints.CONFIRMED)
            transact(self.engine, outbox.mark_published, self.table, confirmed)
        left = [row.id for row in rows if row.id not in set(confirmed)]
        if left:
            transact(self.engine, outbox.release, self.table, left)
        if refused is not None:
            raise refused
        return len(confirmed)

    def _submit(self, row: sa.Row[Any]) -> Future[None]:
        if not tracing.is_on():
            return self.publisher.submit(row.type, row.body, row.id)
        event = Event.decode(row.body)
        tracing.waited("wait in the outbox", event.time, event.traceparent)
        with tracing.work(f"relay {row.type}", "internal", parent=event.traceparent):
            return self.publisher.submit(row.type, row.body, row.id)

    def _lease(self, connection: sa.Connection) -> Sequence[sa.Row[Any]]:
        return outbox.lease(connection, self.table) if self.may_relay(connection) else []

    def tidy(self) -> None:
        """Set the metrics for the due rows, their number and greatest age; delete rows published long ago, in batches.

        It has a loop of its own, beside `run`, because rows age while the broker keeps that one waiting. Raise
        `DependencyDownError` without a database.
        """
        count, oldest = attempt(self.engine, lambda connection: outbox.due(connection, self.table))
        metrics.OUTBOX_MESSAGES.set(count)
        metrics.OUTBOX_AGE.set((now() - oldest).total_seconds() if oldest else 0.0)
        while transact(self.engine, outbox.sweep, self.table) == outbox.SWEEP_BATCH and not self.stop.is_set():
            pass
