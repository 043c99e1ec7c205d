"""The worker of imaging: what each message of catalog makes it do."""

import structlog

from chassis.consumer import TransientError
from chassis.envelope import Event
from chassis.publisher import NotPublishedError
from chassis.topology import Queue
from imaging import messages, use_cases
from imaging.domain import DecodeTimeoutError, DecodeTooCostlyError, HostExhaustedError, StaleJobError, StorageError
from imaging.use_cases import Imaging

log = structlog.get_logger(__name__)

QUEUE = Queue("imaging.jobs", messages.TAKEN)


# A picture that is not decoded in time so often is not decoded at all, whoever is to blame.
LAST_ATTEMPT = 3


def handle(imaging: Imaging, event: Event, attempt: int) -> None:
    """Do the job in EVENT; when this returns, thumbs are written and the answer is confirmed.

    Raises MalformedMessageError, or TransientError for what will work later.
    """
    job = messages.read_job(event)
    try:
        if event.type == messages.IMAGE_DELETED:
            use_cases.delete_thumbs(imaging, job)
        else:
            use_cases.process(imaging, job)
    except StaleJobError:
        log.info("job is late: a newer generation was here", image_id=job.image_id, generation=job.generation)
    except DecodeTimeoutError as fault:
        if attempt < LAST_ATTEMPT:
            raise TransientError(str(fault), counts=True) from fault
        use_cases.give_up(imaging, job, DecodeTooCostlyError())
    except (StorageError, HostExhaustedError, NotPublishedError) as fault:
        raise TransientError(str(fault)) from fault
