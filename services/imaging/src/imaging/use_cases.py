"""What imaging does: process an original, or delete its thumbs and perhaps itself, and send catalog the answer."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial

from chassis import checkpoints
from chassis.envelope import Event
from chassis.stages import Stage
from imaging import messages, metrics
from imaging.domain import DISPLAY_SQUARE, Job, Original, Rendering
from imaging.errors import AccessDeniedError, PictureError, StaleJobError
from imaging.pipeline import RECIPE
from imaging.ports import Storage


@dataclass(frozen=True)
class Imaging:
    """What the use cases work with: `render` decodes in a child process, `publish` waits for the confirm."""

    storage: Storage
    render: Callable[[bytes], Rendering]
    uploads: ThreadPoolExecutor
    publish: Callable[[Event], None]


@dataclass
class Done:
    """What became of a job, for the log: `ready`, `deleted`, or the code of a failure, and what is known by then."""

    outcome: str
    bytes: int | None = None
    content_type: str | None = None
    width: int | None = None
    height: int | None = None


def process(imaging: Imaging, job: Job) -> Done:
    """Write the thumbs of an original, then publish what was made of it, or why nothing could be. Idempotent.

    Raise `StaleJobError` if a newer generation was here, after publishing that this one has left nothing;
    `StorageError`.
    """
    done = Done("ready")
    try:
        with Stage("read", metrics.READING):
            original = imaging.storage.read(job)
        done.bytes = len(original.data)
        with Stage("decode", metrics.DECODING_STAGE):
            rendering = imaging.render(original.data)
        done.content_type, done.width, done.height = rendering.content_type, rendering.width, rendering.height
        with Stage("write", metrics.WRITING):
            _write(imaging, job, original, rendering)
        checkpoints.reached(checkpoints.WRITTEN, job.s3_key)
    except StaleJobError as fault:
        # No later job would delete what this one has written so far, so this one does. It may also have overwritten
        # thumbs of the present generation: told of this, catalog has that processed again, as a new generation above
        # the one found here (catalog may be older than the bucket, if it was restored from a backup).
        imaging.storage.delete_thumbs(job)
        imaging.publish(messages.thumbs_deleted(job, fault.newest))
        raise
    except PictureError as fault:
        fail(imaging, job, fault)
        done.outcome = fault.code
    else:
        with Stage("answer", metrics.ANSWERING):
            imaging.publish(messages.processed(job, original, rendering, RECIPE))
    return done


def fail(imaging: Imaging, job: Job, fault: PictureError) -> None:
    """Delete the thumbs of an original that cannot be processed, then publish why not."""
    # Thumbs of an earlier generation or attempt would be orphans. Where S3 denies access to them, the owner is told
    # of the failure all the same, and the thumbs stay until the image is deleted.
    newest = 0
    with suppress(AccessDeniedError):
        newest = imaging.storage.delete_thumbs(job)
    imaging.publish(messages.failed(job, fault, newest))
    metrics.FAILURES.labels(fault.code).inc()


def delete(imaging: Imaging, job: Job) -> None:
    """Delete the thumbs of a deleted image, never those of another, and the original if it is to go, then publish that.

    Until catalog has the answer, and for a day longer, it lets nobody register the key of an original that is to go.
    Raise `StorageError`.
    """
    newest = imaging.storage.delete_thumbs(job)
    if job.original:
        imaging.storage.delete_original(job)
    imaging.publish(messages.thumbs_deleted(job, newest))


def _write(imaging: Imaging, job: Job, original: Original, rendering: Rendering) -> None:
    write = partial(imaging.storage.write_thumb, job, source_etag=original.etag, recipe=RECIPE)
    # By their squares: the display picture is also a thumb if there are to be thumbs of its size.
    pictures = {picture.square: picture for picture in rendering.encoded}
    due = [partial(write, thumb=picture) for picture in pictures.values()]
    if DISPLAY_SQUARE not in pictures and job.generation > 1:
        due.append(partial(imaging.storage.delete_display, job))  # of an earlier generation, which had one
    # With the context of this thread: log lines and spans of the uploads are about this job, too.
    done = [imaging.uploads.submit(copy_context().run, each) for each in due]
    faults = [fault for fault in (future.exception() for future in done) if fault is not None]
    if faults:
        raise faults[0]
