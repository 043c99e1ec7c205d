"""The watchdog: measures how far behind the service is, and restarts work that is pending for too long.

If all queues are empty, a job that is still unanswered was lost. While messages wait in a queue it may be among them,
so it is given far more time, and twice as much with each re-send. So nothing is lost for good, and no backlog feeds
itself.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain, islice

import structlog

from catalog import metrics
from catalog.adapters.store import Store
from catalog.jobs import recovery
from chassis.broker.depths import Depth, Depths
from chassis.broker.metrics import QUEUE_CONSUMERS, QUEUE_MESSAGES
from chassis.broker.topology import Queue
from chassis.broker.verdicts import REASONS
from chassis.clock import now
from chassis.database.database import Database
from chassis.errors import DependencyDownError

log = structlog.get_logger(__name__)

RELAY_PATIENCE = timedelta(seconds=5)
BATCH = 500
# While messages wait in a queue, jobs have this many times `stuck_after` to be answered.
PATIENCE = 12


@dataclass
class Watchdog:
    """Looks at the database and at the depths of `queues`. For one thread.

    A job is stuck that is unanswered for `stuck_after`, or `patience` times as long while messages wait in a queue.
    """

    database: Database[Store]
    depths: Depths
    queues: Sequence[Queue]
    stuck_after: timedelta
    patience: int = PATIENCE
    suspects: frozenset[tuple[str, str]] = field(default=frozenset(), init=False)
    is_logged: bool = field(default=False, init=False)

    def look(self) -> int:
        """Measure everything and restart what is stuck; return how many keys that were. Raise `DependencyDownError`."""
        suspects, self.suspects = self.suspects, frozenset()
        self._measure_database()  # first: these metrics are needed while the broker is away too
        moment = now()
        due = self.database.read(Store.oldest_due)
        depths = [self._measure(queue) for queue in self.queues]
        metrics.LAST_LOOK.set_to_current_time()
        if not self._is_settled():
            return 0  # all open work is restarted when the operator has decided
        if _nothing_waits(due, depths):
            before = moment - self.stuck_after
            found = list(islice(chain.from_iterable(recovery.find_stuck(self.database, before)), BATCH))
            # A job that a worker works on right now is in no queue either, but is answered before the next look.
            self.suspects = frozenset(found)
            lost = [key for key in found if key in suspects]
        else:
            patience = self.stuck_after * self.patience
            before = moment - patience
            old = self.database.read(Store.unanswered, before, BATCH)
            lost = [(each.s3_bucket, each.s3_key) for each in old if each.is_overdue(moment, patience)]
        requeued = sum(self._restart(bucket, key, before) for bucket, key in lost)
        metrics.RESTARTED.inc(requeued)
        return requeued

    def _is_settled(self) -> bool:
        settled = self.database.read(Store.installation).is_settled
        metrics.SETTLED.set(settled)
        if not settled and not self.is_logged:
            log.error("this database was restored into another one: no job leaves", see="catalog installation")
        self.is_logged = not settled
        return settled

    def _restart(self, s3_bucket: str, s3_key: str, before: datetime) -> bool:
        try:
            return self.database.transact(recovery.restart, s3_bucket, s3_key, before)
        except DependencyDownError:
            raise
        except Exception:  # a defect that one key meets must not stop the others, nor end the process
            log.exception("stuck key cannot begin anew", s3_bucket=s3_bucket, s3_key=s3_key)
            return False
        finally:
            structlog.contextvars.clear_contextvars()  # what is logged next is not about this key

    def _measure(self, queue: Queue) -> Depth:
        depth = self.depths.measure(queue)
        QUEUE_MESSAGES.labels(queue.name, "ready").set(depth.ready)
        QUEUE_MESSAGES.labels(queue.name, "retrying").set(depth.retrying)
        QUEUE_MESSAGES.labels(queue.name, "dead").set(depth.dead)
        QUEUE_CONSUMERS.labels(queue.name).set(depth.consumers)
        return depth

    def _measure_database(self) -> None:
        count, oldest = self.database.read(Store.pending)
        metrics.PENDING.set(count)
        metrics.PENDING_AGE.set((now() - oldest).total_seconds() if oldest else 0.0)
        counts: Counter[tuple[str, str]] = Counter()
        for queue, reason, number in self.database.read(Store.count_dead_letters):
            counts[queue, reason if reason in REASONS else "other"] += number
        metrics.DEAD_LETTERS.clear()  # else a reason without dead letters would keep its last count
        for (queue, reason), number in counts.items():
            metrics.DEAD_LETTERS.labels(queue, reason).set(number)


def _nothing_waits(due: datetime | None, depths: Iterable[Depth]) -> bool:
    """Return whether no event waits for the relay, and no message in a queue or for its next attempt."""
    behind = due is not None and now() - due > RELAY_PATIENCE
    return not behind and all(depth.is_idle for depth in depths)
