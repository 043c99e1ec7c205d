"""Jobs for imaging: at most one of a key is on its way, the others wait in the order they were asked for.

Every function here is called with the key locked (`Store.lock_key`) and in the transaction of what it follows from.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from catalog import messages
from catalog.domain import Image, Job, JobKind, Outcome
from chassis import request_ids
from chassis.clock import now

if TYPE_CHECKING:
    from catalog.adapters.store import Store


def job_for(image: Image, kind: JobKind) -> Job:
    """Make the job KIND for the present generation of IMAGE."""
    return Job(kind, image.s3_bucket, image.s3_key, image.image_id, image.generation, request_ids.current())


def queue(store: "Store", job: Job) -> None:
    """Send JOB to imaging if its key has no other job, else let it wait for those."""
    idle = not store.jobs(job.s3_bucket, job.s3_key)
    queued = store.add_job(job)
    if idle:
        send(store, queued)


def send(store: "Store", job: Job) -> None:
    """Send JOB, the oldest of its key, to imaging, for the first time or once more."""
    store.send(messages.job_event(job, store.installation()))
    store.note_sent(job)


def renew(store: "Store", image: Image) -> Image:
    """Give IMAGE a new generation and queue its processing; the caller keeps what is returned.

    Of the jobs that still wait for the image at most the one for the newest generation is of use.
    """
    moment = now()
    renewed = replace(
        image,
        generation=image.generation + 1,
        status="pending",
        error=None,
        date_updated=moment,
        date_pending=(image.date_pending or image.date_updated) if image.status == "pending" else moment,
    )
    _drop_waiting(store, image)
    queue(store, job_for(renewed, "image.reprocess"))
    return renewed


def withdraw(store: "Store", image: Image) -> None:
    """Take back what waits to be done for IMAGE, which is deleted, and queue the removal of its thumbs.

    There are none where its first job never left: a key that is registered and deleted again and again while imaging
    is away has no more jobs than one that was so once.
    """
    dropped = _drop_waiting(store, image)
    if not (dropped and image.generation == 1):
        queue(store, job_for(image, "image.deleted"))


def settle(store: "Store", outcome: Outcome) -> bool:
    """Take OUTCOME off the jobs of its key and send the next; return whether it was awaited.

    Not awaited is what comes twice, or late from a worker that was thought dead.
    """
    queued = store.jobs(outcome.s3_bucket, outcome.s3_key)
    if not queued or not outcome.answers(queued[0]):
        return False
    advance(store, outcome.s3_bucket, outcome.s3_key)
    return True


def advance(store: "Store", s3_bucket: str, s3_key: str) -> None:
    """Take the oldest job of a key away, answered or given up, and send the next."""
    oldest, *waiting = store.jobs(s3_bucket, s3_key)
    store.remove_job(oldest.job_id)
    if waiting:
        send(store, waiting[0])


def _drop_waiting(store: "Store", image: Image) -> bool:
    """Take away the jobs that would process IMAGE and have never left; tell whether there was one."""
    waiting = store.jobs(image.s3_bucket, image.s3_key)[1:]
    dropped = [job for job in waiting if job.image_id == image.image_id and not job.deletes]
    for job in dropped:
        store.remove_job(job.job_id)
    return bool(dropped)
