"""Jobs for imaging: at most one of a key is on its way, the others wait in the order they were asked for.

Every function here is called with the key locked (`Store.lock_key`) and in the transaction of what it follows from.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from catalog import messages
from catalog.domain import Image, Job, JobKind, Outcome

if TYPE_CHECKING:
    from catalog.adapters.store import Store

log = structlog.get_logger(__name__)


def job_for(image: Image, kind: JobKind) -> Job:
    """Make the job KIND for the present generation of IMAGE."""
    return Job(kind, image.s3_bucket, image.s3_key, image.image_id, image.generation)


def queue(store: "Store", job: Job) -> None:
    """Send JOB to imaging if its key has no other job, else let it wait for those."""
    idle = not store.jobs(job.s3_bucket, job.s3_key)
    store.add_job(job)
    if idle:
        store.send(messages.job_event(job))


def renew(store: "Store", image: Image) -> Image:
    """Give IMAGE a new generation and queue its processing; the caller keeps what is returned.

    Of the jobs that still wait for the image at most the one for the newest generation is of use.
    """
    renewed = replace(image, generation=image.generation + 1, status="pending", error=None)
    for waiting in store.jobs(image.s3_bucket, image.s3_key)[1:]:
        if waiting.image_id == image.image_id and not waiting.deletes:
            store.remove_job(waiting.job_id)
    queue(store, job_for(renewed, "image.reprocess"))
    return renewed


def settle(store: "Store", outcome: Outcome) -> bool:
    """Take OUTCOME off the jobs of its key and send the next; return whether it was awaited.

    Not awaited is what comes twice, or late from a worker that was thought dead.
    """
    queued = store.jobs(outcome.s3_bucket, outcome.s3_key)
    if not queued or not outcome.answers(queued[0]):
        return False
    store.remove_job(queued[0].job_id)
    if len(queued) > 1:
        store.send(messages.job_event(queued[1]))
    return True
