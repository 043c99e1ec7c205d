"""Recovery: stuck work is restarted, for whatever reason its job or the answer to it was lost.

Restarting a merely slow job is safe but wasteful: its late answer causes another run. So it must not be done again and
again to jobs that only wait for their turn, or a backlog would feed itself.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TypeVar

import structlog

from catalog.adapters.key_queries import NO_KEY, Key
from catalog.adapters.store import Store
from chassis import request_ids
from chassis.database.database import Database

log = structlog.get_logger(__name__)

# Keys with open work that one query looks at: few enough that it never takes long.
PAGE = 1000

AnyStore = TypeVar("AnyStore", bound=Store)


def find_stuck(database: Database[AnyStore], before: datetime) -> Iterator[Sequence[Key]]:
    """Yield the keys that are stuck since `before`, in order, those of `PAGE` keys with open work at a time.

    A page may be empty. Raise `DependencyDownError` without a database.
    """
    after: Key | None = NO_KEY
    while after is not None:
        stuck, after = database.read(Store.stuck_keys, before, PAGE, after)
        yield stuck


def restart(store: Store, s3_bucket: str, s3_key: str, before: datetime) -> bool:
    """Restart the work on a key if it is stuck since `before`; return whether it was."""
    queue = store.key_queue(s3_key, s3_bucket)
    if not queue.is_stuck(before):
        return False
    if queue.jobs:  # it goes on under the id, and in the trace, of the request that asked for it
        queue.request_id = request_ids.adopt(queue.jobs[0].request_id)
        queue.traceparent = queue.jobs[0].traceparent
    queue.restart()
    store.save(queue)
    log.warning("stuck key begins anew", s3_bucket=s3_bucket, s3_key=s3_key, jobs=len(queue.loaded_jobs))
    return True
