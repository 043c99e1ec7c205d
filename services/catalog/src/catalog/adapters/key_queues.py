"""Key queues as they are loaded from rows, and what has changed in them since."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from operator import attrgetter

import sqlalchemy as sa

from catalog.adapters.rows import row_from_image, row_from_job
from catalog.adapters.tables import deleted_images, images, jobs
from catalog.domain import Former, Image, Job
from catalog.key_queue import KeyQueue
from chassis import request_ids, tracing
from chassis.clock import now
from chassis.database.statements import Change

# Made once: `execute_together` uses its statement again only for the same objects.
_REGISTER, _WAIT, _REMEMBER = images.insert(), jobs.insert(), deleted_images.insert()
# Of many images in one go: psycopg sends them all before it waits for the first.
_UPDATE = images.update().where(images.c.image_id == sa.bindparam("of_image"))


def key_queue(
    s3_bucket: str | None, s3_key: str, image: Image | None, waiting: list[Job], former: Former | None
) -> KeyQueue:
    """Return the queue of a key with what was loaded: its image, the one before, and the jobs that wait in a bucket.

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
        former=former,
    )


def image_changes(queues: Sequence[KeyQueue]) -> Iterator[Change]:
    """Yield what has changed of the images of `queues`."""
    changed = [(queue.loaded_image, queue.registered) for queue in queues if queue.registered != queue.loaded_image]
    if gone := [before.image_id for before, after in changed if before is not None and after is None]:
        yield images.delete().where(images.c.image_id.in_(gone)), []
    if new := [row_from_image(after) for before, after in changed if before is None and after is not None]:
        yield _REGISTER, new
    kept = [after for before, after in changed if before is not None and after is not None]
    if len(kept) == 1:
        yield images.update().where(images.c.image_id == kept[0].image_id).values(row_from_image(kept[0])), []
    elif kept:
        # In the order of their users, whose counts each of them locks: others do so in the same order.
        in_order = sorted(kept, key=attrgetter("user_id"))
        yield _UPDATE, [{"of_image": after.image_id, **row_from_image(after)} for after in in_order]


def job_changes(queues: Sequence[KeyQueue]) -> Iterator[Change]:
    """Yield what has changed of the jobs of `queues`."""
    kept = {job.job_id for queue in queues for job in queue.jobs}
    if done := [job.job_id for queue in queues for job in queue.loaded_jobs if job.job_id not in kept]:
        yield jobs.delete().where(jobs.c.job_id.in_(done)), []
    for queue in queues:
        if queue.due is not None and queue.due.job_id:
            yield jobs.update().where(jobs.c.job_id == queue.due.job_id).values(date_sent=queue.moment), []
    if new := [row_from_job(job) for queue in queues for job in queue.jobs if not job.job_id]:
        yield _WAIT, new


def former_changes(queues: Sequence[KeyQueue]) -> Iterator[Change]:
    """Yield what has changed of the images that were at the keys of `queues` before."""
    changed = {queue.s3_key: queue for queue in queues if queue.former != queue.loaded_former}
    of_key = deleted_images.c.s3_key
    rows = {key: {"s3_key": key, **asdict(queue.former)} for key, queue in changed.items() if queue.former is not None}
    if new := [row for key, row in rows.items() if changed[key].loaded_former is None]:
        yield _REMEMBER, new
    for key, row in rows.items():
        if changed[key].loaded_former is not None:
            yield deleted_images.update().where(of_key == key).values(row), []
