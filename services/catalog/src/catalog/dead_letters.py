"""Dead letters: messages that were given up. None leaves an image pending, and an operator decides what follows."""

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from catalog import messages, queueing, results
from catalog.domain import DeadLetter, Fault, Job, NotReplayableError, Outcome
from chassis.broker import drain as dead_letters
from chassis.clock import now
from chassis.envelope import Event, MalformedMessageError

if TYPE_CHECKING:
    from catalog.adapters.store import Store

EXHAUSTED = Fault("processing-exhausted", "Processing failed again and again. The operator knows and can try again.")
_DELETE = {"image.deleted", messages.THUMBS_DELETED}


def keep(store: "Store", letter: dead_letters.DeadLetter) -> None:
    """Keep LETTER, once; the image whose job or answer it was fails with `processing-exhausted`.

    One that comes again may be of another worker, which has written thumbs since: those go like the first one's.
    """
    event = _decode(letter.body)
    subject = messages.read_subject(event) if event else None
    kept = DeadLetter(
        queue=letter.queue,
        message_id=letter.message_id,
        reason=letter.reason,
        type=dead_letters.printable(event.type) if event else "",
        s3_key=subject.s3_key if subject else "",
        body=letter.body,
        date_created=now(),
    )
    store.add_dead_letter(kept)
    if event and subject:
        results.exhaust(store, subject if event.type in _DELETE else replace(subject, error=EXHAUSTED))


def replay(store: "Store", dead_letter_id: int) -> None:
    """Have done what a dead letter was about, and forget it: its image gets a new generation.

    Raises DeadLetterNotFoundError, or NotReplayableError where nothing could come of it.
    """
    letter = store.dead_letter(dead_letter_id)
    event = _decode(letter.body)
    subject = messages.read_subject(event) if event else None
    if event and event.type == messages.USER_DELETED:
        store.send(replace(event, event_id=str(uuid.uuid4())))
    elif event and subject:
        _ask_again(store, subject, deletes=event.type in _DELETE)
    else:
        raise NotReplayableError(f"Dead letter {dead_letter_id} is no message of ours; drop it.")
    store.remove_dead_letter(dead_letter_id)


def drop(store: "Store", dead_letter_id: int) -> None:
    """Forget a dead letter; raises DeadLetterNotFoundError."""
    store.remove_dead_letter(store.dead_letter(dead_letter_id).dead_letter_id)


def _ask_again(store: "Store", subject: Outcome, *, deletes: bool) -> None:
    store.lock_key(subject.s3_key)
    image = store.image(subject.s3_key, locked=True)
    if deletes:
        queueing.queue(
            store, Job("image.deleted", subject.s3_bucket, subject.s3_key, subject.image_id, subject.generation)
        )
    elif image is not None and image.image_id == subject.image_id:
        store.update_image(queueing.renew(store, image))
    else:
        raise NotReplayableError(f"The image of {subject.s3_key} is gone; drop the dead letter.")


def _decode(body: bytes) -> Event | None:
    try:
        return Event.decode(body)
    except MalformedMessageError:
        return None
