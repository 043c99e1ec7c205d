"""Applying what imaging answered. The rules are those of `KeyQueue`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from catalog.adapters.store import Store
from catalog.domain import Answer, Fault, Registration
from catalog.key_queue import Effect, KeyQueue
from chassis import request_ids, tracing

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Received:
    """An answer, and the ids of the request and of the span that it came with: those of the next job of its key."""

    answer: Answer
    request_id: str = field(default_factory=request_ids.current)
    traceparent: str = field(default_factory=lambda: tracing.current().traceparent)


@dataclass(frozen=True)
class Outcome:
    """What an answer has changed. `ready_since` is when the image was registered, if this has made it ready first."""

    effect: Effect
    ready_since: datetime | None = None


def apply(store: Store, received: Sequence[Received]) -> list[Outcome]:
    """Apply each answer once, if it is about the present generation of its image, and send the next jobs of their keys.

    No two of them are about the same key. Return what each has changed.
    """
    about = [each.answer.registration for each in received]
    queues = {queue.s3_key: queue for queue in store.key_queues((each.s3_bucket, each.s3_key) for each in about)}
    outcomes = []
    for each in received:
        queue = queues[each.answer.registration.s3_key]
        queue.request_id, queue.traceparent = each.request_id, each.traceparent
        effect = queue.apply(each.answer)
        _log(effect, queue, each.answer.registration, each.answer.newest_generation)
        outcomes.append(Outcome(effect, _ready_since(queue)))
    store.save(*queues.values())
    return outcomes


def give_up(store: Store, registration: Registration, error: Fault) -> Outcome:
    """Fail the image with `error`, and queue the deletion of its thumbs. Return what that has changed."""
    queue = store.key_queue(registration.s3_key, registration.s3_bucket)
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
