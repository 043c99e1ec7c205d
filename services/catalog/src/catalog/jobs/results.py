"""Applying what imaging answered. The rules are those of `KeyQueue`."""

from dataclasses import dataclass
from datetime import datetime

import structlog

from catalog.adapters.store import Store
from catalog.domain import Answer, Fault, Registration
from catalog.key_queue import Effect, KeyQueue

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What an answer has changed. `ready_since` is when the image was registered, if this has made it ready first."""

    effect: Effect
    ready_since: datetime | None = None


def apply(store: Store, answer: Answer) -> Outcome:
    """Apply `answer` once, if it is about the present generation of its image, and send the next job of the key.

    Return what that has changed.
    """
    queue = _queue_of(store, answer.registration)
    effect = queue.apply(answer)
    store.save(queue)
    _log(effect, queue, answer.registration, answer.newest_generation)
    return Outcome(effect, _ready_since(queue))


def give_up(store: Store, registration: Registration, error: Fault) -> Outcome:
    """Fail the image with `error`, and queue the deletion of its thumbs. Return what that has changed."""
    queue = _queue_of(store, registration)
    effect = queue.give_up(registration, error)
    store.save(queue)
    _log(effect, queue, registration)
    return Outcome(effect)


def _ready_since(queue: KeyQueue) -> datetime | None:
    before, after = queue.loaded_image, queue.image
    if before is None or after is None or (before.status, after.status) != ("pending", "ready"):
        return None
    # Pending without a break since its registration: an image that is reprocessed is so since a later moment.
    return before.date_created if before.date_pending == before.date_created else None


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
