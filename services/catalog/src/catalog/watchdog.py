"""The watchdog: shows how far behind everything is, and queues again what is pending for too long."""

from dataclasses import dataclass
from datetime import timedelta

from catalog import metrics, recovery
from catalog.adapters.store import Store
from chassis import depths
from chassis.database import Database, now
from chassis.depths import Depth
from chassis.metrics import QUEUE_DEPTH
from chassis.topology import Queue


@dataclass(frozen=True)
class Watchdog:
    """Looks at the DATABASE and at the depth of JOBS and RESULTS; what is pending for STUCK_AFTER is stuck."""

    database: Database[Store]
    broker_url: str
    jobs: Queue
    results: Queue
    stuck_after: timedelta

    def look(self) -> int:
        """Measure everything, queue again what is stuck, and return how much that was; raises DependencyDownError.

        While anything waits in the outbox or in the broker, nothing is called stuck: it may just wait its turn.
        """
        self._measure_database()  # first: it must be seen also while the broker is away
        due = self.database.read(Store.oldest_due)
        waiting = [self._measure(self.jobs), self._measure(self.results)]
        if due is not None or any(depth != Depth(0, 0, 0) for depth in waiting):
            return 0
        moment = now() - self.stuck_after
        stuck = self.database.read(Store.stuck_jobs, moment, recovery.BATCH)
        forgotten = self.database.read(Store.forgotten_images, moment, recovery.BATCH)
        requeued = sum(self.database.transact(recovery.requeue_job, job, moment) for job in stuck)
        requeued += sum(self.database.transact(recovery.requeue_image, image, moment) for image in forgotten)
        metrics.REQUEUED.inc(requeued)
        return requeued

    def _measure(self, queue: Queue) -> Depth:
        depth = depths.measure(self.broker_url, queue)
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
