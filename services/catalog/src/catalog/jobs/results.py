"""Applying what imaging answered. The rules are those of `KeyQueue`."""

import structlog

from catalog.adapters.store import Store
from catalog.domain import Answer, Fault, Registration
from catalog.key_queue import Effect, KeyQueue

log = structlog.get_logger(__name__)


def apply(store: Store, answer: Answer) -> None:
    """Apply `answer` once, if it is about the present generation of its image, and send the next job of the key."""
    queue = _queue_of(store, answer.registration)
    effect = queue.apply(answer)
    store.save(queue)
    _log(effect, queue, answer.registration, answer.newest_generation)


def give_up(store: Store, registration: Registration, error: Fault) -> None:
    """Fail the image with `error`, and queue the deletion of its thumbs."""
    queue = _queue_of(store, registration)
    effect = queue.give_up(registration, error)
    store.save(queue)
    _log(effect, queue, registration)


def _queue_of(store: Store, registration: Registration) -> KeyQueue:
    return store.key_queue(registration.s3_key, registration.s3_bucket)


def _log(effect: Effect, queue: KeyQueue, about: Registration, newest: int = 0) -> None:
    match effect:
        case Effect.DIFFERENT:
            log.warning("second result differs", image_id=about.image_id, generation=about.generation)
        case Effect.LATE:
            log.warning("late result", image_id=about.image_id, generation=about.generation)
        case Effect.BEHIND_BUCKET if queue.image is not None and queue.loaded_image is not None:
            here = queue.loaded_image.generation
            log.warning("thumbs are newer than the catalog", s3_key=about.s3_key, here=here, there=newest)
        case _:
            pass
