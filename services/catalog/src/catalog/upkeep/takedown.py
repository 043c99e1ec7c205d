"""Taking images down, and back: hidden at once, their thumbs deleted by a job, their keys blocked until then."""

from catalog.adapters.operators_store import OperatorsStore
from catalog.domain import Image
from catalog.errors import NotTakenDownError
from chassis import audit
from chassis.audit import Entry


def take_down(store: OperatorsStore, s3_key: str, reason: str) -> Image | None:
    """Hide the image at `s3_key`, delete its thumbs, and let no other be registered there; the original stays.

    Return the image, None if there is none: then the key is blocked only. Doing it again changes the reason.
    """
    queue = store.key_queue(s3_key)
    store.block(s3_key, reason)
    image = queue.image
    if image is not None:
        image = queue.take_down(image, reason)
        store.save(queue)
    store.note(Entry("image.take-down", audit.operator(), {**_target(s3_key, image), "reason": reason}))
    return image


def undo(store: OperatorsStore, s3_key: str) -> Image | None:
    """Show the image at `s3_key` again, process it, and let images be registered there again.

    Return the image, None if its owner has deleted it. Raise `NotTakenDownError` if nothing was taken down there.
    """
    queue = store.key_queue(s3_key)
    if not store.unblock(s3_key):
        raise NotTakenDownError(s3_key)
    image = queue.image
    if image is not None and image.is_taken_down:
        image = queue.restore(image)
        store.save(queue)
    store.note(Entry("image.restore", audit.operator(), _target(s3_key, image)))
    return image


def _target(s3_key: str, image: Image | None) -> dict[str, str]:
    """Return how the audit log names what was taken down."""
    of_image = {} if image is None else {"image": image.image_id, "s3_bucket": image.s3_bucket}
    return {**of_image, "s3_key": s3_key}
