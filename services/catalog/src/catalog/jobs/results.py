"""Applying what imaging answered. The rules are those of `KeyQueue`."""

import structlog

from catalog.adapters.store import Store
from catalog.domain import Answer, Fault, Registration
from catalog.key_queue import KeyQueue, Verdict

log = structlog.get_logger(__name__)

_TOLD = {
    Verdict.DIFFERENT: "second result differs",
    Verdict.LATE: "late result",
    Verdict.BEHIND_BUCKET: "thumbs are newer than the catalog",
}


def apply(store: Store, answer: Answer) -> None:
    """Apply `answer` once, if it is about the present generation of its image, and send the next job of the key."""
    queue = _queue_of(store, answer.registration)
    verdict = queue.apply(answer)
    store.save(queue)
    _tell(verdict, answer.registration)


def give_up(store: Store, registration: Registration, error: Fault) -> None:
    """Fail the image with `error`, and queue the deletion of its thumbs."""
    queue = _queue_of(store, registration)
    verdict = queue.give_up(registration, error)
    store.save(queue)
    _tell(verdict, registration)


def _queue_of(store: Store, registration: Registration) -> KeyQueue:
    return store.key_queue(registration.s3_key, registration.s3_bucket)


def _tell(verdict: Verdict, about: Registration) -> None:
    if verdict in _TOLD:
        log.warning(_TOLD[verdict], image_id=about.image_id, generation=about.generation, s3_key=about.s3_key)
