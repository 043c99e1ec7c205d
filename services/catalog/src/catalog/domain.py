"""Images, collections, jobs and what imaging answers to them. Knows nothing of HTTP, S3, messages or databases."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Literal

from catalog.errors import QuotaExceededError

Status = Literal["pending", "ready", "failed"]
JobKind = Literal["image.created", "image.reprocess", "image.deleted"]

# Generations are counted up from 1. A thumb's metadata that says more than this was not written by imaging.
MAX_GENERATION = 2**30
# The code of the error of an image that the operator has taken down. It is failed, and shown to its owner only.
TAKEN_DOWN = "taken-down"
COLLECTION_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")


@dataclass(frozen=True)
class Thumb:
    """A thumb that fits a square of `square` pixels; it lies at the thumb key of its image for that square.

    So does a display picture.
    """

    square: int
    width: int
    height: int


@dataclass(frozen=True)
class Fault:
    """Why an image failed: a stable code, and a sentence for its owner."""

    code: str
    detail: str


@dataclass(frozen=True)
class Picture:
    """What imaging found in an object: the size of the upright picture in pixels, its colours, its thumbs.

    `sha256` is of the object's bytes, None if an earlier release of imaging has processed it. `display` is what pages
    show instead of the object, None if they show that.
    """

    width: int
    height: int
    colors: tuple[str, ...]
    thumbs: tuple[Thumb, ...]
    placeholder: str
    content_type: str
    bytes: int
    source_etag: str
    recipe: int
    sha256: str | None = None
    display: Thumb | None = None

    @property
    def derived(self) -> tuple[Thumb, ...]:
        """All that imaging has written beside the object: the thumbs, and the display picture unless it is one."""
        if self.display is None or self.display in self.thumbs:
            return self.thumbs
        return (*self.thumbs, self.display)


@dataclass(frozen=True)
class Registration:
    """One generation of a registered image: what a job, and the answer to it, are about."""

    image_id: str
    generation: int
    s3_bucket: str
    s3_key: str


@dataclass(frozen=True)
class ImageVersion:
    """One state of an image. Two states never have the same version, whatever becomes of the image."""

    image_id: str
    s3_bucket: str
    date_updated: datetime


@dataclass(frozen=True)
class Image:
    """A registered original and what is known of it.

    `generation` rises with registration, reprocessing and healing, and only then; a result of another generation is
    late. `picture` is of the last good result: it is shown while a newer result is awaited, and gone when that fails.
    `date_pending` is the moment since which the image is pending without a break, None if it is not pending.
    `upload_of` is the installation that handed out the prefix under which its owner has uploaded the original; None if
    that came to S3 in another way.
    """

    image_id: str
    user_id: str
    s3_bucket: str
    s3_key: str
    title: str
    description: str
    status: Status
    generation: int
    date_created: datetime
    date_updated: datetime
    date_pending: datetime | None = None
    upload_of: str | None = None
    picture: Picture | None = None
    error: Fault | None = None

    @property
    def is_taken_down(self) -> bool:
        """Whether the operator has taken it down."""
        return self.error is not None and self.error.code == TAKEN_DOWN

    @property
    def shown_generation(self) -> int:
        """The generation of what is to be seen at its addresses: until a newer picture is there, that before."""
        return self.generation - 1 if self.status == "pending" and self.picture is not None else self.generation

    @property
    def registration(self) -> Registration:
        """The present generation of this image."""
        return Registration(self.image_id, self.generation, self.s3_bucket, self.s3_key)

    @property
    def version(self) -> ImageVersion:
        """The present state of this image."""
        return ImageVersion(self.image_id, self.s3_bucket, self.date_updated)

    def next_update(self, moment: datetime) -> datetime:
        """Return the `date_updated` of a change at `moment`: always later than that of the change before.

        Versions tell the states of an image apart by it, also if the clock goes back or differs between machines.
        """
        return max(moment, self.date_updated + timedelta(microseconds=1))


@dataclass(frozen=True)
class Standing:
    """What may be against a registration: a user who was deleted, a prefix handed out to another, a key taken down."""

    user_is_gone: bool
    prefix_owner: str | None
    key_is_blocked: bool


@dataclass(frozen=True)
class Search:
    """Which images of a user are wanted: those that fulfil all that is given, newest first or oldest first.

    `text` is of words, of which each has to be one of the title, the description or the key; case is ignored.
    """

    status: Status | None = None
    text: str | None = None
    collection_id: str | None = None
    content_type: str | None = None
    sha256: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    oldest_first: bool = False


EVERYTHING = Search()


def words_of(text: str) -> list[str]:
    """Return the words of `text` in lower case: whatever consists of letters, their marks, and digits."""
    return "".join(each if unicodedata.category(each)[0] in "LMN" else " " for each in text).lower().split()


@dataclass(frozen=True)
class Collection:
    """A named list of images of one user.

    `cover` is the key of the member that stands for it, if the image `cover_id` is a member still. `revision` rises
    with each change of the collection and of its members, but not when an image that is one is deleted.
    """

    collection_id: str
    user_id: str
    name: str
    date_created: datetime
    title: str = ""
    description: str = ""
    cover_id: str | None = None
    revision: int = 0
    cover: str | None = None


@dataclass(frozen=True)
class Chosen:
    """What a client has chosen: the member with the key `s3_key`, or none of them."""

    s3_key: str | None


@dataclass(frozen=True)
class Member:
    """An image of a collection; `previous` and `next` are the keys of those beside it, None where there is none."""

    image: Image
    previous: str | None
    next: str | None


# --- what users have, and may have ---


@dataclass(frozen=True)
class Use:
    """What a user has. `bytes` are those of the originals whose size is known: imaging has to read them first."""

    images: int = 0
    bytes: int = 0
    collections: int = 0


@dataclass(frozen=True)
class FormatStats:
    """How many images of a user are of a format, and how many bytes their originals have."""

    content_type: str
    images: int
    bytes: int


@dataclass(frozen=True)
class Stats:
    """How many images a user has by status, and by format where that is known, most first."""

    pending: int = 0
    ready: int = 0
    failed: int = 0
    formats: tuple[FormatStats, ...] = ()


@dataclass(frozen=True)
class Limits:
    """What every user may have at most; 0 is no limit."""

    images: int = 0
    bytes: int = 0
    collections: int = 0

    def require_image(self, use: Use) -> None:
        """Raise `QuotaExceededError` unless a user who has `use` may have one image more.

        Its size is not known yet, so the last image may be beyond the limit of bytes.
        """
        self._require("images", use.images)
        self._require("bytes", use.bytes)

    def require_collection(self, use: Use) -> None:
        """Raise `QuotaExceededError` unless a user who has `use` may have one collection more."""
        self._require("collections", use.collections)

    def _require(self, name: str, use: int) -> None:
        limit: int = getattr(self, name)
        if limit and use >= limit:
            raise QuotaExceededError(name, limit, use)


@dataclass(frozen=True)
class Former:
    """The image that was at a key last, and its last generation. It is remembered for a day.

    `takes_original`: the original is deleted, too. The day begins when imaging has answered.
    """

    generation: int
    date_deleted: datetime
    takes_original: bool = False


# --- jobs for imaging ---


@dataclass(frozen=True)
class Job:
    """Work for imaging. `request_id` and `traceparent` are of the request that asked for it.

    That may be long over when the job is sent. `takes_original`: the job deletes the original, too.

    `job_id` is 0 until the job is saved; `date_sent` is when it was last sent to imaging, None while it waits for the
    jobs of its key before it.
    """

    kind: JobKind
    registration: Registration
    request_id: str
    date_created: datetime
    date_sent: datetime | None = None
    job_id: int = 0
    traceparent: str = ""
    takes_original: bool = False

    @property
    def is_deletion(self) -> bool:
        """Whether the job deletes thumbs, rather than makes them."""
        return self.kind == "image.deleted"

    def processes(self, image: Image) -> bool:
        """Return whether the job makes thumbs of `image`, of whichever generation."""
        return not self.is_deletion and self.registration.image_id == image.image_id


@dataclass(frozen=True)
class OpenWork:
    """What waits: how much of each, and since when the oldest does, None if there is none.

    `sent` jobs are with imaging, `waiting` ones are behind others of their key. Dead letters are counted by reason.
    """

    outbox: int
    outbox_since: datetime | None
    pending: int
    pending_since: datetime | None
    sent: int
    sent_since: datetime | None
    waiting: int
    dead_letters: Mapping[str, int]
    dead_since: datetime | None


@dataclass(frozen=True)
class Failures:
    """How many images have failed with `code`, when the last one did, and its key."""

    code: str
    count: int
    last: datetime
    last_key: str


@dataclass(frozen=True)
class Unanswered:
    """A key whose oldest job was sent at `date_sent` and is unanswered; its work is due since `date_due`."""

    s3_bucket: str
    s3_key: str
    date_due: datetime
    date_sent: datetime

    def is_overdue(self, moment: datetime, patience: timedelta) -> bool:
        """Return whether the job is unanswered for `patience` at `moment`; the wait doubles with each re-send."""
        return moment - self.date_sent > max(patience, self.date_sent - self.date_due)


# --- what imaging answers ---


@dataclass(frozen=True)
class Processed:
    """Imaging has made the thumbs."""

    registration: Registration
    picture: Picture

    newest_generation: ClassVar[int] = 0


@dataclass(frozen=True)
class Failed:
    """Imaging could make no thumbs, and has deleted those of this generation and earlier ones.

    `newest_generation` is of the newest thumb of the image that it found and left, 0 if there was none.
    """

    registration: Registration
    error: Fault
    newest_generation: int = 0


@dataclass(frozen=True)
class ThumbsDeleted:
    """Imaging has deleted the thumbs of this generation and earlier ones; `newest_generation` as in `Failed`.

    `took_original`: the original, too, if that was asked for.
    """

    registration: Registration
    newest_generation: int = 0
    took_original: bool = False


Answer = Processed | Failed | ThumbsDeleted


# --- this installation, and what was given up ---


@dataclass(frozen=True)
class Installation:
    """Which installation of imghost this is; thumbs say which one made them, and only that one may touch them.

    Thumbs that do not say so are of this one if `owns_unmarked`. It is settled unless its database was restored into
    another one: both may be at work on the same bucket then, so no job is sent until an operator has decided.
    """

    installation_id: str
    owns_unmarked: bool
    is_settled: bool = True

    def owns(self, installation_id: str | None) -> bool:
        """Return whether a thumb is of this installation whose metadata says `installation_id`, or None."""
        return self.owns_unmarked if installation_id is None else installation_id == self.installation_id


@dataclass(frozen=True)
class DeadLetterSummary:
    """What a dead letter is about: a message that the consumers of `queue`, or the broker, gave up for `reason`.

    `type` and `s3_key` are empty where its body is not one of imghost's messages.
    """

    queue: str
    message_id: str
    reason: str
    type: str
    s3_key: str
    date_created: datetime
    dead_letter_id: int = 0


@dataclass(frozen=True, kw_only=True)
class DeadLetter(DeadLetterSummary):
    """A dead letter with its `body`, which is as it came, of any size, and need not be an event."""

    body: bytes
