"""Images, collections and jobs: what they are, and the rules they obey. Knows nothing of HTTP, S3 or databases."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Literal

Status = Literal["pending", "ready", "failed"]
JobKind = Literal["image.created", "image.reprocess", "image.deleted"]

MAX_KEY_BYTES = 1000
# What a thumb claims beyond this is no generation: here they are counted up from 1.
MAX_GENERATION = 2**30
COLLECTION_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
_THUMB_FOLDER = re.compile(r"t[0-9]+")
_THUMB_KEY = re.compile(r"(?P<folder>(?:.*/)?)t(?P<square>[1-9][0-9]{0,4})/(?P<name>[^/]+)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class CatalogError(Exception):
    """A request that the rules of this service refuse."""

    code: ClassVar[str]


class ImageNotFoundError(CatalogError):
    """There is no image of this key, or it is another user's."""

    code = "image-not-found"

    def __init__(self) -> None:
        super().__init__("There is no such image.")


class CollectionNotFoundError(CatalogError):
    """There is no collection of this name, or it is another user's."""

    code = "collection-not-found"

    def __init__(self) -> None:
        super().__init__("There is no such collection.")


class ImageExistsError(CatalogError):
    """An image of this service, perhaps of another user, has the key."""

    code = "image-exists"

    def __init__(self) -> None:
        super().__init__("This s3_key is registered already.")


class CollectionNameTakenError(CatalogError):
    """Another collection of this service, perhaps of another user, has the name."""

    code = "collection-name-taken"

    def __init__(self) -> None:
        super().__init__("This name is taken; names are unique over all users.")


class UnacceptableKeyError(CatalogError):
    """An S3 key that the contract refuses."""

    code = "invalid-s3-key"


class BucketNotAllowedError(CatalogError):
    """A bucket that the operator has not allowed."""

    code = "bucket-not-allowed"
    field = "s3_bucket"

    def __init__(self) -> None:
        super().__init__("Images may not live in this bucket.")


class BucketMissingError(CatalogError):
    """No bucket was given, and the operator has set no default."""

    code = "invalid-fields"
    field = "s3_bucket"

    def __init__(self) -> None:
        super().__init__("Required here: the operator has set no default bucket.")


class KeyNotAllowedError(CatalogError):
    """A key under a prefix that is another user's, or that the operator has not allowed."""

    code = "key-not-allowed"
    field = "s3_key"

    def __init__(self) -> None:
        super().__init__("Your images may not live under this prefix.")


class DeadLetterNotFoundError(CatalogError):
    """There is no dead letter of this number."""

    code = "dead-letter-not-found"

    def __init__(self, dead_letter_id: int) -> None:
        super().__init__(f"There is no dead letter {dead_letter_id}; see: catalog dead-letters list")


class NotReplayableError(CatalogError):
    """A dead letter of which nothing could come: it is no message of ours, or its image is gone."""

    code = "not-replayable"


class UploadsOffError(CatalogError):
    """The operator has set no default bucket or no credential to sign uploads with."""

    code = "uploads-off"

    def __init__(self) -> None:
        super().__init__("This installation takes no uploads: the operator has set no bucket or credential for them.")


class UserGoneError(CatalogError):
    """The caller was deleted since their token was signed."""

    code = "unauthorized"
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": 'Basic realm="imghost", charset="UTF-8"'}

    def __init__(self) -> None:
        super().__init__("This user is gone.")


@dataclass(frozen=True)
class Thumb:
    """A thumb: it fits a square of SQUARE pixels, and lies at the thumb key of its image for that square."""

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
    """What imaging found in an object: measures of the upright picture, its colours, its thumbs."""

    width: int
    height: int
    colors: tuple[str, ...]
    thumbs: tuple[Thumb, ...]
    placeholder: str
    content_type: str
    bytes: int
    source_etag: str
    recipe: int


@dataclass(frozen=True)
class Image:
    """A registered original and what is known of it.

    GENERATION rises with registration, reprocessing and healing, and only then; a result that names another one is
    late. PICTURE is of the last good result: shown while a newer one is awaited, gone when that fails. DATE_PENDING is
    since when it is pending without a break, None if it is not.
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
    picture: Picture | None = None
    error: Fault | None = None


@dataclass(frozen=True)
class Collection:
    """A named list of images of one user."""

    collection_id: str
    user_id: str
    name: str
    date_created: datetime


@dataclass(frozen=True)
class Job:
    """Work for imaging on one (bucket, key). Of the jobs of a key only the oldest is with imaging, the others wait.

    Thumb keys are fixed by the contract: two jobs of a key at a time could each destroy what the other wrote.
    REQUEST_ID is of the work that asked for it, which may be long over when the job leaves.
    """

    kind: JobKind
    s3_bucket: str
    s3_key: str
    image_id: str
    generation: int
    request_id: str = ""
    job_id: int = 0

    @property
    def deletes(self) -> bool:
        """Tell whether the job takes thumbs away."""
        return self.kind == "image.deleted"


@dataclass(frozen=True)
class Unanswered:
    """The oldest job of a key, which imaging has had since DATE_SENT; the work is due since DATE_DUE, however often."""

    s3_bucket: str
    s3_key: str
    date_due: datetime
    date_sent: datetime

    def is_overdue(self, moment: datetime, patience: timedelta) -> bool:
        """Tell whether it was sent PATIENCE ago at MOMENT, twice that once it was sent again, then four times that."""
        return moment - self.date_sent > max(patience, self.date_sent - self.date_due)


@dataclass(frozen=True)
class Outcome:
    """What imaging answered to a job: a picture, a fault, or neither where it took thumbs away.

    NEWEST_GENERATION is of the newest thumb of the image that it found and left, 0 if there was none.
    """

    s3_bucket: str
    s3_key: str
    image_id: str
    generation: int
    picture: Picture | None = None
    error: Fault | None = None
    newest_generation: int = 0

    @property
    def deletes(self) -> bool:
        """Tell whether this answers a job that takes thumbs away."""
        return self.picture is None and self.error is None

    @property
    def met_newer(self) -> bool:
        """Tell whether imaging met thumbs of a later generation of the image, and so left the job undone."""
        return self.newest_generation > self.generation

    def answers(self, job: Job) -> bool:
        """Tell whether this is the answer to JOB."""
        same_work = (self.image_id, self.generation) == (job.image_id, job.generation)
        return same_work and (self.met_newer or self.deletes == job.deletes)


@dataclass(frozen=True)
class Installation:
    """Which installation of imghost this is; thumbs say which one made them, and only that one may touch them.

    Thumbs that do not say so are of this one if OWNS_UNMARKED. It IS_SETTLED unless its database was restored into
    another one: both may be at work on the same bucket then, so nothing goes to imaging until an operator has decided.
    """

    installation_id: str
    owns_unmarked: bool
    is_settled: bool = True

    def owns(self, installation_id: str | None) -> bool:
        """Tell whether a thumb that says INSTALLATION_ID, or None, is of this installation."""
        return self.owns_unmarked if installation_id is None else installation_id == self.installation_id


@dataclass(frozen=True)
class DeadLetterSummary:
    """What a dead letter is about: a message that the consumers of QUEUE gave up, or the broker, for REASON.

    TYPE and S3_KEY are empty where its body tells of none.
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
    """A dead letter with its BODY, which is as it came, of any size, and need not be an event."""

    body: bytes


def check_key(key: str) -> None:
    """Raise UnacceptableKeyError, saying why, unless KEY may name an image."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise UnacceptableKeyError("Must be Unicode text") from None
    segments = key.split("/")
    reason = None
    if not 1 <= size <= MAX_KEY_BYTES:
        reason = f"Must have 1 to {MAX_KEY_BYTES} bytes of UTF-8"
    elif _CONTROL.search(key):
        reason = "Must not contain control characters"
    elif any(segment in {"", ".", ".."} for segment in segments):
        reason = "Must not begin or end with a slash or have an empty, . or .. segment"
    elif len(segments) > 1 and _THUMB_FOLDER.fullmatch(segments[-2]):
        reason = "Must not have the shape of a thumb's key, …/t512/…"
    if reason is not None:
        raise UnacceptableKeyError(reason)


def is_acceptable_key(key: str) -> bool:
    """Tell whether KEY may name an image at all."""
    try:
        check_key(key)
    except UnacceptableKeyError:
        return False
    return True


def thumb_key(s3_key: str, square: int) -> str:
    """Give the key of the thumb of S3_KEY for SQUARE: `dir/name` has its thumb at `dir/t512/name`."""
    folder, slash, name = s3_key.rpartition("/")
    return f"{folder}{slash}t{square}/{name}"


def thumb_of(key: str) -> tuple[str, int] | None:
    """Give the key and square whose thumb key is KEY; None if it has not the shape of one, or of no image's."""
    shape = _THUMB_KEY.fullmatch(key)
    if shape is None:
        return None
    s3_key = shape["folder"] + shape["name"]
    return (s3_key, int(shape["square"])) if is_acceptable_key(s3_key) else None
