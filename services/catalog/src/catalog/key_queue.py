"""The jobs of one S3 key, of which only the oldest is with imaging, and the image that they are about.

Thumb keys are fixed by the contract, so two jobs of a key at a time could each destroy what the other wrote.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from catalog.domain import (
    TAKEN_DOWN,
    Answer,
    Failed,
    Fault,
    Former,
    Image,
    Job,
    JobKind,
    Picture,
    Processed,
    Registration,
    ThumbsDeleted,
)
from catalog.errors import ImageExistsError, KeyBlockedError, OriginalDeletedError


class Effect(StrEnum):
    """What an answer of imaging has changed."""

    APPLIED = "applied"
    REPEATED = "repeated"
    # A second result of one generation, made from another object: the image is processed again.
    DIFFERENT = "different"
    # Of an earlier generation or registration: thumbs that it may have overwritten are made again.
    LATE = "late"
    # The thumbs are newer than any generation known here: this database was restored from a backup.
    BEHIND_BUCKET = "behind-bucket"


@dataclass
class KeyQueue:
    """The image at `s3_key`, and the jobs of that key in `s3_bucket`, oldest first.

    `Store.key_queue` loads it with the key locked, these methods change it without any I/O, and `Store.save` writes
    what has changed, once. `moment`, `request_id` and `traceparent` are those of the transaction. `registered` is the
    image at the key in whichever bucket, `former` the one that was there before, while that is remembered.
    """

    s3_bucket: str
    s3_key: str
    registered: Image | None
    jobs: list[Job]
    moment: datetime
    request_id: str
    traceparent: str = ""
    former: Former | None = None
    # The job to send to imaging when this is saved.
    due: Job | None = field(init=False, default=None)
    loaded_image: Image | None = field(init=False)
    loaded_jobs: tuple[Job, ...] = field(init=False)
    loaded_former: Former | None = field(init=False)
    is_saved: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.loaded_image, self.loaded_jobs = self.registered, tuple(self.jobs)
        self.loaded_former = self.former

    @property
    def image(self) -> Image | None:
        """The image, if it lives in `s3_bucket`: registered again in another bucket, it has its thumbs there."""
        image = self.registered
        return image if image is not None and image.s3_bucket == self.s3_bucket else None

    # --- what users and operators ask for ---

    def register(self, image: Image) -> Image:
        """Take `image` in, and queue its first processing; return it. Raise `ImageExistsError` if the key has an image.

        Its generation is above that of the image that was here before, which caches may have, so that addresses differ.

        Raise `OriginalDeletedError` if the original is being deleted. It is for a day longer, too: a copy of that job
        which comes late would delete the original of this image.
        """
        if self.registered is not None:
            raise ImageExistsError
        if self.former is not None and self.former.takes_original:
            raise OriginalDeletedError
        if self.former is not None:
            image = replace(image, generation=self.former.generation + 1)
        self.registered = image
        self._queue("image.created", image.registration)
        return image

    def renew(self, image: Image, *, above: int = 0) -> Image:
        """Begin a new generation of `image`, which is at this key, and queue its processing; return the renewed image.

        The generation is higher than `above` too. Of the jobs that wait for the image only that of the newest
        generation is of use, so the others are dropped. Raise `KeyBlockedError` if it is taken down.
        """
        if image.is_taken_down:
            raise KeyBlockedError
        since = (image.date_pending or image.date_updated) if image.status == "pending" else self.moment
        renewed = replace(
            image,
            generation=max(image.generation, above) + 1,
            status="pending",
            error=None,
            date_updated=image.next_update(self.moment),
            date_pending=since,
        )
        self._drop_waiting(image)
        self._queue("image.reprocess", renewed.registration)
        self.registered = renewed
        return renewed

    def withdraw(self, image: Image, *, takes_original: bool = False) -> None:
        """Delete `image`, which is at this key: drop the jobs that wait for it, and queue a deletion of its thumbs.

        `takes_original`: and of the original.
        """
        self.former = Former(image.generation, self.moment)
        self._end_work(image, image.registration, takes_original=takes_original)
        self.registered = None

    def take_down(self, image: Image, reason: str) -> Image:
        """Fail `image`, which is at this key, so that only its owner sees it, and queue the deletion of its thumbs.

        Under a new generation: the answer to a job that is under way cannot bring it back. Doing it again changes the
        reason. Return it as it is then.
        """
        error = Fault(TAKEN_DOWN, f"The operator has taken this image down: {reason}")
        taken_down = replace(image, error=error, date_updated=image.next_update(self.moment))
        if not image.is_taken_down:
            taken_down = replace(
                taken_down, generation=image.generation + 1, status="failed", picture=None, date_pending=None
            )
            self._end_work(image, taken_down.registration)
        self.registered = taken_down
        return taken_down

    def restore(self, image: Image) -> Image:
        """Show `image` again, which was taken down, and queue its processing; return it as it is then."""
        return self.renew(replace(image, error=None))

    def delete_thumbs(self, registration: Registration, *, takes_original: bool = False) -> None:
        """Queue the deletion of the thumbs of `registration` and of earlier generations of its image.

        `takes_original`: and of the original, unless an image is at the key.
        """
        takes_original = takes_original and self.registered is None
        self._queue("image.deleted", registration, takes_original=takes_original)

    # --- what imaging answers ---

    def apply(self, answer: Answer) -> Effect:
        """Apply `answer` if it is about the present generation of the image, and send the next job.

        Any other answer may have left thumbs, perhaps in place of those of the present registration. So thumbs of an
        earlier registration are deleted, and the present one is processed again under a new generation. Applying an
        answer twice leaves all as it should be.
        """
        is_awaited = self._settle(answer)
        if self.image is not None and self.image.is_taken_down:
            return self._stay_hidden(answer, is_awaited=is_awaited)
        return self._apply(answer, is_awaited=is_awaited)

    def _apply(self, answer: Answer, *, is_awaited: bool) -> Effect:
        image, about = self.image, answer.registration
        if _met_newer(answer) and self._catch_up(answer):
            return Effect.BEHIND_BUCKET
        if image is not None and image.registration == about and not isinstance(answer, ThumbsDeleted):
            if is_awaited:
                self.registered = _answered(image, answer, self.moment)
                return Effect.APPLIED
            if _repeats(image, answer):
                return Effect.REPEATED
            self._heal(image)
            return Effect.DIFFERENT
        if is_awaited:
            return Effect.APPLIED
        if isinstance(answer, Processed) and (image is None or image.image_id != about.image_id):
            self.delete_thumbs(about)
        if image is not None:
            self._heal(image)
        return Effect.LATE

    def give_up(self, registration: Registration, error: Fault) -> Effect:
        """Fail the image with `error` in place of an answer, and queue the deletion of its thumbs."""
        self.delete_thumbs(registration)
        return self.apply(Failed(registration, error))

    # --- what gets no further by itself ---

    def is_stuck(self, before: datetime) -> bool:
        """Return whether the image is pending without a job, or the oldest job was sent before `before`."""
        image = self.image
        if image is not None and image.status == "pending" and not _has_job(image, self.jobs):
            return True
        return any((job.date_sent or job.date_created) < before for job in self.jobs[:1])

    def restart(self) -> None:
        """Restart the open work of the key; its oldest job, or the answer to it, is taken for lost.

        Deletions keep their place and generation: until they are answered, thumbs of deleted images may be there.
        """
        self.jobs = [job for job in self.jobs if job.is_deletion]
        self._send_first()
        if self.image is not None and self.image.status == "pending":
            self.renew(self.image)

    # --- the queue itself ---

    def _queue(self, kind: JobKind, registration: Registration, *, takes_original: bool = False) -> None:
        job = Job(kind, registration, self.request_id, date_created=self.moment, traceparent=self.traceparent)
        if takes_original:
            job = replace(job, takes_original=True)
            self._remember_deletion(registration)
        self.jobs.append(job)
        if len(self.jobs) == 1:
            self._send_first()

    def _remember_deletion(self, registration: Registration) -> None:
        """Remember from now on that the original of `registration` is deleted."""
        generation = registration.generation if self.former is None else self.former.generation
        self.former = Former(generation, self.moment, takes_original=True)

    def _send_first(self) -> None:
        if self.jobs:
            self.due = self.jobs[0] = replace(self.jobs[0], date_sent=self.moment)

    def _settle(self, answer: Answer) -> bool:
        """Remove the oldest job if `answer` is the answer to it, and send the next; return whether it was."""
        if not self.jobs or not _is_answered(self.jobs[0], answer):
            return False
        if self.jobs[0].takes_original:
            self._remember_deletion(answer.registration)  # the job may have been sent again a moment ago
        del self.jobs[0]
        self._send_first()
        return True

    def _drop_waiting(self, image: Image) -> bool:
        """Drop the jobs that would process `image` and were never sent; return whether its first was among them."""
        dropped = [job for job in self.jobs[1:] if job.processes(image)]
        self.jobs = [job for number, job in enumerate(self.jobs) if number == 0 or not job.processes(image)]
        return any(job.kind == "image.created" for job in dropped)

    def _end_work(self, image: Image, registration: Registration, *, takes_original: bool = False) -> None:
        """Drop the jobs that wait for `image`, and queue the deletion of its thumbs, up to those of `registration`.

        There are no thumbs if its first job was never sent: a key that is registered and deleted again and again while
        imaging is away has no more jobs than one that was so once. `takes_original`: and of the original, which is
        there in any case.
        """
        was_never_sent = self._drop_waiting(image)
        if takes_original or not was_never_sent:
            self._queue("image.deleted", registration, takes_original=takes_original)

    def _heal(self, image: Image) -> None:
        """Process `image` again under a new generation, unless a job that waits for it will do so anyway."""
        if not any(job.processes(image) for job in self.jobs[1:]):
            self.renew(image)

    def _stay_hidden(self, answer: Answer, *, is_awaited: bool) -> Effect:
        """Delete the thumbs that `answer` tells of, at the key of an image that is taken down."""
        if _met_newer(answer):
            self.delete_thumbs(replace(answer.registration, generation=answer.newest_generation))
            return Effect.BEHIND_BUCKET
        if is_awaited:
            return Effect.APPLIED  # behind a job that was under way, a deletion waits
        if isinstance(answer, Processed):
            self.delete_thumbs(answer.registration)
        return Effect.LATE

    def _catch_up(self, answer: Answer) -> bool:
        """Deal with thumbs that imaging found newer than the answered job; return False if the catalog knows of them.

        Thumbs newer than any generation known here mean that this database is older than the bucket, as a restored
        backup is: generations go on above what was found. Thumbs of an image that is gone are deleted.
        """
        image, newest = self.image, answer.newest_generation
        if image is None or image.image_id != answer.registration.image_id:
            self.delete_thumbs(replace(answer.registration, generation=newest))
            return image is None
        if image.generation >= newest:
            return False
        self.renew(image, above=newest)
        return True


def _has_job(image: Image, jobs: Iterable[Job]) -> bool:
    return any(not job.is_deletion and job.registration == image.registration for job in jobs)


def _met_newer(answer: Answer) -> bool:
    """Return whether imaging found thumbs of a later generation of the image, and so left the job undone."""
    return answer.newest_generation > answer.registration.generation


def _is_answered(job: Job, answer: Answer) -> bool:
    if job.takes_original and not (isinstance(answer, ThumbsDeleted) and answer.took_original):
        return False  # of an earlier release of imaging, which leaves the original
    is_same_kind = isinstance(answer, ThumbsDeleted) == job.is_deletion
    return job.registration == answer.registration and (is_same_kind or _met_newer(answer))


def _answered(image: Image, answer: Processed | Failed, moment: datetime) -> Image:
    """Return `image` as it is after `answer`; a failure leaves nothing of an older picture, whose thumbs are gone."""
    done = replace(image, date_updated=image.next_update(moment), date_pending=None)
    if isinstance(answer, Processed):
        return replace(done, status="ready", picture=answer.picture, error=None)
    return replace(done, status="failed", picture=None, error=answer.error)


def _repeats(image: Image, answer: Processed | Failed) -> bool:
    if isinstance(answer, Processed):
        return image.error is None and image.picture is not None and _is_same(image.picture, answer.picture)
    return (image.picture, image.error) == (None, answer.error)


def _is_same(picture: Picture, other: Picture) -> bool:
    """Return whether two results are of one object; imaging of an earlier release tells no SHA-256."""
    if None in {picture.sha256, other.sha256}:
        picture, other = replace(picture, sha256=None), replace(other, sha256=None)
    return picture == other
