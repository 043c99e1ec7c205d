"""Recovery: what is stuck begins anew, for whatever reason its job or its answer never came.

Asking twice does no harm but costs work: a late answer of an older generation is known as such, and heals. So it must
not be done time and again to what merely waits its turn, or a backlog would feed itself.
"""

from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from catalog import queueing

if TYPE_CHECKING:
    from catalog.adapters.store import Store

log = structlog.get_logger(__name__)


def restart(store: "Store", s3_bucket: str, s3_key: str, before: datetime) -> bool:
    """Have the work on a key begin anew if it is stuck since BEFORE; return whether it was.

    The oldest job is taken for lost; left in place it would hold up the others for ever. If a worker answers it all the
    same, that is a late result, after which `results.apply` sets things right. Deletions keep their place and their
    generation: until they are answered, thumbs of images that are gone may lie there.
    """
    store.lock_key(s3_key)
    if not store.stuck_keys(before, 1, s3_bucket=s3_bucket, only=s3_key):
        return False
    queued = store.jobs(s3_bucket, s3_key)
    deletions = [job for job in queued if job.deletes]
    for job in queued:
        if not job.deletes:
            store.remove_job(job.job_id)
    if deletions:
        queueing.send(store, deletions[0])
    image = store.image(s3_key, locked=True)
    if image is not None and image.s3_bucket == s3_bucket and image.status == "pending":
        store.update_image(queueing.renew(store, image))
    log.warning("stuck key begins anew", s3_bucket=s3_bucket, s3_key=s3_key, jobs=len(queued))
    return True
