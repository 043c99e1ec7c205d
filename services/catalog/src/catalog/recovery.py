"""Recovery: what is pending for too long is queued again, for whatever reason its job or its answer never came.

Asking twice is harmless: of two answers to one job the second is known as such, and late ones of an older generation
heal. It must only not be done to what merely waits its turn, or a backlog would feed itself.
"""

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from catalog import queueing
from catalog.domain import Image, Job
from chassis.database import now

if TYPE_CHECKING:
    from catalog.adapters.store import Store

log = structlog.get_logger(__name__)

BATCH = 100


def requeue_job(store: "Store", stuck: Job, sent_before: datetime) -> bool:
    """Queue again what STUCK was to do, if it is still with imaging since SENT_BEFORE; return whether it was.

    A picture is asked for under a new generation, so that even a job that was refused as stale ends.
    """
    store.lock_key(stuck.s3_key)
    if stuck not in store.stuck_jobs(sent_before, BATCH, stuck.s3_key):
        return False
    image = store.image(stuck.s3_key, locked=True)
    if stuck.deletes or image is None or image.image_id != stuck.image_id:
        queueing.send(store, stuck)
    else:
        store.update_image(queueing.renew(store, image))
        queueing.advance(store, stuck.s3_bucket, stuck.s3_key)
    log.warning("stuck job queued again", kind=stuck.kind, image_id=stuck.image_id, generation=stuck.generation)
    return True


def requeue_image(store: "Store", forgotten: Image, updated_before: datetime) -> bool:
    """Queue the processing of a pending image that no job is for; return whether it still was so."""
    store.lock_key(forgotten.s3_key)
    if forgotten not in store.forgotten_images(updated_before, BATCH, forgotten.s3_key):
        return False
    image = queueing.renew(store, forgotten)
    store.update_image(replace(image, date_updated=now()))
    log.warning("forgotten image queued again", image_id=image.image_id, generation=image.generation)
    return True
