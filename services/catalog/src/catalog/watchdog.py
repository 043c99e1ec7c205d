"""The watchdog: shows how far behind everything is, and queues again what is pending for too long."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from catalog import metrics, recovery
from catalog.adapters.store import Store
from chassis.database import Database, now
from chassis.depths import Depth, measure
from chassis.errors import DependencyDownError
from chassis.metrics import QUEUE_DEPTH
from chassis.topology import Queue

log = structlog.get_logger(__name__)

RELAY_PATIENCE = timedelta(seconds=5)
BATCH = 100


@dataclass(frozen=True)
class Watchdog:
    """Looks at the DATABASE and at the depth of JOBS and RESULTS; what is pending for STUCK_AFTER is stuck."""

    database: Database[Store]
    broker_url: str
    jobs: Queue
    results: Queue
    stuck_after: timedelta

    def look(self) -> int:
        """Measure everything, queue again what is stuck, and return how much that was; raises DependencyDownError."""
        self._measure_database()  # first: it must be seen also while the broker is away
        moment = now() - self.stuck_after
        due = self.database.read(Store.oldest_due)
        depths = self._measure(self.jobs), self._measure(self.results)
        # Enough to tell whether there are more than may all be waiting for their next attempt.
        stuck = self.database.read(Store.stuck_keys, moment, sum(depth.retrying for depth in depths) + BATCH)
        if _may_be_waiting(due, depths, len(stuck)):
            return 0
        requeued = sum(self._restart(bucket, key, moment) for bucket, key in stuck[:BATCH])
        metrics.REQUEUED.inc(requeued)
        return requeued

    def _restart(self, s3_bucket: str, s3_key: str, before: datetime) -> bool:
        try:
            return self.database.transact(recovery.restart, s3_bucket, s3_key, before)
        except DependencyDownError:
            raise
        except Exception:  # of one key: it must not hold up the others, nor take the other loops along
            log.exception("stuck key cannot begin anew", s3_bucket=s3_bucket, s3_key=s3_key)
            return False

    def _measure(self, queue: Queue) -> Depth:
        depth = measure(self.broker_url, queue)
        QUEUE_DEPTH.labels(queue.name, "ready").set(depth.ready)
        QUEUE_DEPTH.labels(queue.name, "retrying").set(depth.retrying)
        QUEUE_DEPTH.labels(queue.name, "dead").set(depth.dead)
        return depth

    def _measure_database(self) -> None:
        oldest = self.database.read(Store.oldest_pending)
        metrics.PENDING_AGE.set((now() - oldest).total_seconds() if oldest else 0.0)
        metrics.DEAD_LETTERS.clear()  # of a reason that is gone nothing must stay
        for queue, reason, count in self.database.read(Store.count_dead_letters):
            metrics.DEAD_LETTERS.labels(queue, reason).set(count)


def _may_be_waiting(due: datetime | None, depths: Iterable[Depth], old: int) -> bool:
    """Tell whether OLD keys may all just wait their turn: behind the relay, in a queue, or for their next attempt."""
    behind = due is not None and now() - due > RELAY_PATIENCE
    return behind or any(depth.ready or depth.dead for depth in depths) or old <= sum(each.retrying for each in depths)
