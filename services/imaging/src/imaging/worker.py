"""The worker of imaging: what it is made of, and what each message of catalog makes it do."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial

import structlog

from chassis import stages
from chassis.broker.consumer import Consumer
from chassis.broker.errors import NotPublishedError
from chassis.broker.publisher import Publisher
from chassis.broker.topology import LONGEST_DELAY_S, Queue
from chassis.broker.verdicts import TransientError
from chassis.envelope import Event
from chassis.worker import Worker
from imaging import messages, metrics, use_cases
from imaging.adapters.storage import S3Storage
from imaging.bootstrap import make_pool
from imaging.domain import Job
from imaging.errors import (
    BucketRefusedError,
    DecodeTimeoutError,
    DecodeTooCostlyError,
    HostExhaustedError,
    OriginalDeniedError,
    OriginalUnreadableError,
    PictureError,
    StaleJobError,
    StorageError,
)
from imaging.settings import ImagingSettings
from imaging.use_cases import Done, Imaging

log = structlog.get_logger(__name__)

JOBS = Queue("imaging.jobs", messages.PROCESSING, formerly=messages.DELETIONS)
# Of their own: a deleted user leaves thousands of them behind at once, for which no upload is to wait.
DELETIONS = Queue("imaging.deletions", messages.DELETIONS)

# Jobs that read their original, or write their thumbs, while all decoders have work.
JOBS_BESIDE_DECODERS = 2
# Deletions wait for S3 most of the time. More of them would take time from what uploads wait for.
DELETION_THREADS = 4
# A picture whose decoding times out at this attempt fails, whether the picture or the host is to blame.
LAST_ATTEMPT = 3
# An original that is still denied at this attempt, after some 25 s, fails. Rights that were just granted take a while
# to work everywhere in S3; but without s3:ListBucket missing originals are "denied" too, and a missing original has to
# be reported within 60 s.
LAST_REFUSAL = 6
_DENIED = "The service is not allowed to read the object at this key, or there is none."


def make_worker(settings: ImagingSettings) -> Worker:
    """Return the worker that `settings` describe, with the children of its pool already started."""
    broker_url = settings.broker_url.get_secret_value()
    answering, retrying = Publisher(broker_url, "imaging answers"), Publisher(broker_url, "imaging retries")
    pool = make_pool(settings)
    pool.warm_up()  # before the operations port answers, which says that the start is over
    storage = S3Storage(settings)
    uploads = ThreadPoolExecutor((len(settings.squares) + 1) * settings.processes, thread_name_prefix="upload")
    imaging = Imaging(storage, pool.render, uploads, answering.publish)
    for kind in PictureError.__subclasses__():  # a counter that begins with its first event hides it from rates
        metrics.FAILURES.labels(kind.code)
    stop = threading.Event()
    handled, threads = partial(handle, imaging), settings.processes + JOBS_BESIDE_DECODERS
    consumer = Consumer(broker_url, JOBS, handled, retrying, threads=threads, stop=stop)
    deletions = Consumer(broker_url, DELETIONS, handled, retrying, threads=DELETION_THREADS, stop=stop)
    return Worker(
        loops={"jobs": consumer.run, "deletions": deletions.run},
        stop=stop,
        own={"started": lambda: True},
        shared={"broker": lambda: consumer.connected.is_set() and deletions.connected.is_set(), "s3": storage.answers},
        close=[uploads.shutdown, pool.close, answering.close, retrying.close],
    )


def handle(imaging: Imaging, event: Event, attempt: int) -> None:
    """Do the job in `event`. When this returns, the thumbs are written and the broker has confirmed the answer.

    Raise `MalformedMessageError`, or `TransientError` if a retry may work.
    """
    job, began = messages.read_job(event), time.monotonic()
    try:
        if event.type == messages.IMAGE_DELETED:
            use_cases.delete(imaging, job)
            done = Done("deleted")
        else:
            done = _process(imaging, job, attempt)
    except StaleJobError:
        log.info("a newer generation was here", image_id=job.image_id, generation=job.generation)
        done = Done("stale")
    except BucketRefusedError as fault:
        # Logged once for the bucket (`Refusals`); its jobs are retried seldom, and mostly without a request to S3.
        raise TransientError(str(fault), delay_s=LONGEST_DELAY_S, logged=True) from fault
    except (StorageError, HostExhaustedError, NotPublishedError) as fault:
        raise TransientError(str(fault)) from fault
    _log(job, event, attempt, done, time.monotonic() - began)


def _log(job: Job, event: Event, attempt: int, done: Done, took_s: float) -> None:
    """Log the one line that tells what became of a job, and where its time went."""
    about = {name: getattr(job, name) for name in ("image_id", "generation", "s3_bucket", "s3_key")}
    known = {name: value for name, value in asdict(done).items() if value is not None}
    times = {f"{name}_ms": ms for name, ms in stages.in_ms({**stages.spent(), "total": took_s}).items()}
    log.info("job done", job=event.type, **about, attempt=attempt, **known, **times)


def _process(imaging: Imaging, job: Job, attempt: int) -> Done:
    """Process the original of `job`; faults that may or may not be final are final after a number of attempts."""
    try:
        return use_cases.process(imaging, job)
    except DecodeTimeoutError as fault:
        if attempt < LAST_ATTEMPT:
            raise TransientError(str(fault), counts=True) from fault
        return _fail(imaging, job, DecodeTooCostlyError())
    except OriginalDeniedError as fault:
        if attempt < LAST_REFUSAL:
            raise TransientError(str(fault), counts=True) from fault
        return _fail(imaging, job, OriginalUnreadableError(_DENIED))


def _fail(imaging: Imaging, job: Job, fault: PictureError) -> Done:
    use_cases.fail(imaging, job, fault)
    return Done(fault.code)
