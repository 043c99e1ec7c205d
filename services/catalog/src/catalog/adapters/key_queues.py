"""Key queues as they are loaded from rows, and what has changed in them since."""

from collections.abc import Iterator, Sequence

from catalog.adapters.rows import row_from_image, row_from_job
from catalog.adapters.tables import images, jobs
from catalog.domain import Image, Job
from catalog.key_queue import KeyQueue
from chassis import request_ids, tracing
from chassis.clock import now
from chassis.database.statements import Change


def key_queue(s3_bucket: str | None, s3_key: str, image: Image | None, waiting: list[Job]) -> KeyQueue:
    """Return the queue of a key with what was loaded: its image, and the jobs that wait in a bucket.

    That is the image's own if `s3_bucket` is None.
    """
    return KeyQueue(
        s3_bucket=s3_bucket or (image.s3_bucket if image else ""),
        s3_key=s3_key,
        registered=image,
        jobs=waiting,
        moment=now(),
        request_id=request_ids.current(),
        traceparent=tracing.current().traceparent,
    )


def image_changes(queues: Sequence[KeyQueue]) -> Iterator[Change]:
    """Yield what has changed of the images of `queues`."""
    changed = [(queue.loaded_image, queue.registered) for queue in queues if queue.registered != queue.loaded_image]
    if gone := [before.image_id for before, after in changed if before is not None and after is None]:
        yield images.delete().where(images.c.image_id.in_(gone)), []
    if new := [row_from_image(after) for before, after in changed if before is None and after is not None]:
        yield images.insert(), new
    for before, after in changed:
        if before is not None and after is not None:
            yield images.update().where(images.c.image_id == after.image_id).values(row_from_image(after)), []


def job_changes(queues: Sequence[KeyQueue]) -> Iterator[Change]:
    """Yield what has changed of the jobs of `queues`."""
    kept = {job.job_id for queue in queues for job in queue.jobs}
    if done := [job.job_id for queue in queues for job in queue.loaded_jobs if job.job_id not in kept]:
        yield jobs.delete().where(jobs.c.job_id.in_(done)), []
    for queue in queues:
        if queue.due is not None and queue.due.job_id:
            yield jobs.update().where(jobs.c.job_id == queue.due.job_id).values(date_sent=queue.moment), []
    if new := [row_from_job(job) for queue in queues for job in queue.jobs if not job.job_id]:
        yield jobs.insert(), new
