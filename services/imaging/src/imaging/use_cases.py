"""What imaging does: process an original, take thumbs away."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from chassis import checkpoints
from chassis.envelope import Event
from imaging import messages
from imaging.domain import Job, Original, Rendering
from imaging.errors import AccessDeniedError, PictureError, StaleJobError
from imaging.pipeline import RECIPE

if TYPE_CHECKING:
    from imaging.adapters.storage import Storage


@dataclass(frozen=True)
class Imaging:
    """What the use cases work with; RENDER is that of the pool, PUBLISH returns once the broker has confirmed."""

    storage: "Storage"
    render: Callable[[bytes], Rendering]
    uploads: ThreadPoolExecutor
    publish: Callable[[Event], None]


def process(imaging: Imaging, job: Job) -> None:
    """Make and write the thumbs of an original, then tell what was made of it, or why nothing could be.

    Doing it again writes the same thumbs. Raises StaleJobError where a newer generation was here, after telling that
    this one has left nothing; StorageError.
    """
    try:
        original = imaging.storage.read(job)
        rendering = imaging.render(original.data)
        _write(imaging, job, original, rendering)
        checkpoints.reached(checkpoints.WRITTEN, job.s3_key)
    except StaleJobError as fault:
        # Nobody asks for what this job has written meanwhile, so nobody would ever take it away. Nor is it known what
        # that was written over: catalog has to hear of it, and has the present generation processed again, which it
        # begins above the one found here, should it be older than the bucket.
        imaging.storage.delete_thumbs(job)
        imaging.publish(messages.thumbs_deleted(job, fault.newest))
        raise
    except PictureError as fault:
        give_up(imaging, job, fault)
    else:
        imaging.publish(messages.processed(job, original, rendering, RECIPE))


def give_up(imaging: Imaging, job: Job, fault: PictureError) -> None:
    """Tell that nothing can be made of an original, for FAULT, and take away the thumbs that there may be."""
    # What an earlier generation or attempt left would be thumbs of nothing. Where S3 does not let us see whether there
    # are any, the owner is told all the same; deleting the image will have to take them away.
    newest = 0
    with suppress(AccessDeniedError):
        newest = imaging.storage.delete_thumbs(job)
    imaging.publish(messages.failed(job, fault, newest))


def delete_thumbs(imaging: Imaging, job: Job) -> None:
    """Take the thumbs of a deleted image out of S3, then tell so; never those of another. Raises StorageError."""
    newest = imaging.storage.delete_thumbs(job)
    imaging.publish(messages.thumbs_deleted(job, newest))


def _write(imaging: Imaging, job: Job, original: Original, rendering: Rendering) -> None:
    write = partial(imaging.storage.write_thumb, job, source_etag=original.etag, recipe=RECIPE)
    written = [imaging.uploads.submit(write, thumb=thumb) for thumb in rendering.thumbs]
    faults = [fault for fault in (future.exception() for future in written) if fault is not None]
    if faults:
        raise faults[0]
