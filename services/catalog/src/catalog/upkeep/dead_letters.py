"""Dead letters: messages that were given up. None leaves an image pending, and an operator decides what follows."""

import uuid
from dataclasses import replace

from catalog import messages
from catalog.adapters.operators_store import OperatorsStore
from catalog.adapters.store import Store
from catalog.domain import DeadLetter, Fault, Registration, ThumbsDeleted
from catalog.errors import NotReplayableError
from catalog.jobs import results
from catalog.jobs.results import Outcome, Received
from chassis import request_ids
from chassis.broker import drain
from chassis.broker.verdicts import EXHAUSTED_REASON
from chassis.clock import now
from chassis.envelope import Event, MalformedMessageError

EXHAUSTED = Fault(EXHAUSTED_REASON, "Processing failed again and again. The operator knows and can try again.")


def keep(store: Store, letter: drain.DrainedMessage) -> tuple[Registration, Outcome] | None:
    """Keep `letter`, once. If it is a job or an answer, fail its image with `processing-exhausted`.

    A letter that comes again may be of another worker, which has written thumbs since: they are deleted as well.
    Return the image and what has become of it, None if the letter is about none.
    """
    event = _decode(letter.body)
    registration = messages.read_registration(event) if event else None
    kept = DeadLetter(
        queue=letter.queue,
        message_id=letter.message_id,
        reason=letter.reason,
        type=drain.printable(event.type) if event else "",
        s3_key=registration.s3_key if registration else "",
        body=letter.body,
        date_created=now(),
    )
    store.add_dead_letter(kept)
    if event and registration:
        if event.type in messages.ABOUT_DELETIONS:
            # As if it were done: the next job of the key writes over the thumbs that are left.
            done = Received(ThumbsDeleted(registration, took_original=True))
            return registration, results.apply(store, [done])[0]
        return registration, results.give_up(store, registration, EXHAUSTED)
    return None


def replay(store: OperatorsStore, dead_letter_id: int) -> None:
    """Do what a dead letter was about, under a new generation of its image, and remove the letter.

    Raise `DeadLetterNotFoundError`, or `NotReplayableError` if that cannot be done any more.
    """
    letter = store.dead_letter(dead_letter_id)
    event = _decode(letter.body)
    registration = messages.read_registration(event) if event else None
    if event:
        request_ids.adopt(event.request_id)  # what follows is still about that request
    if event and event.type == messages.USER_DELETED:
        store.send(replace(event, event_id=str(uuid.uuid4())))
    elif event and registration:
        is_deletion = event.type in messages.ABOUT_DELETIONS
        _queue_again(store, registration, is_deletion=is_deletion, takes_original=messages.takes_original(event))
    else:
        raise NotReplayableError(f"Dead letter {dead_letter_id} is no message of ours; drop it.")
    store.remove_dead_letter(dead_letter_id)


def drop(store: OperatorsStore, dead_letter_id: int) -> None:
    """Remove a dead letter. Raise `DeadLetterNotFoundError` if it is not there."""
    store.remove_dead_letter(store.dead_letter(dead_letter_id).dead_letter_id)


def _queue_again(store: Store, registration: Registration, *, is_deletion: bool, takes_original: bool) -> None:
    if is_deletion:
        queue = store.key_queue(registration.s3_key, registration.s3_bucket)
        queue.delete_thumbs(registration, takes_original=takes_original)
    else:
        queue = store.key_queue(registration.s3_key)
        if queue.image is None or queue.image.image_id != registration.image_id:
            raise NotReplayableError(f"The image of {registration.s3_key} is gone; drop the dead letter.")
        queue.renew(queue.image)
    store.save(queue)


def _decode(body: bytes) -> Event | None:
    try:
        return Event.decode(body)
    except MalformedMessageError:
        return None
