"""Originals, thumbs and what can be wrong with a picture. Knows nothing of S3, messages or decoders."""

from dataclasses import dataclass
from typing import ClassVar


class PictureError(Exception):
    """A picture that no later attempt could process either; its text is for the picture's owner."""

    code: ClassVar[str]


class OriginalMissingError(PictureError):
    """There is no object at the key."""

    code = "original-missing"

    def __init__(self) -> None:
        super().__init__("There is no object at this key. Upload it, then ask for reprocessing.")


class OriginalUnreadableError(PictureError):
    """S3 does not give the object, and will not until its owner or the operator does something about it."""

    code = "original-unreadable"

    def __init__(self, why: str) -> None:
        super().__init__(f"{why} When that is put right, ask for reprocessing.")


class UnsupportedFormatError(PictureError):
    """The object is no picture, or of a format that is not taken."""

    code = "unsupported-format"


class MalformedError(PictureError):
    """The object is a broken or truncated picture."""

    code = "malformed"


class TooLargeError(PictureError):
    """The object has too many bytes or pixels."""

    code = "too-large"


class ThumbKeyOccupiedError(PictureError):
    """Something that is not ours lies where a thumb should go."""

    code = "thumb-key-occupied"

    def __init__(self, key: str) -> None:
        super().__init__(f"An object that is not a thumb of this service lies at {key}; it is left alone.")


class DecodeTooCostlyError(PictureError):
    """Decoding the picture takes more CPU time than is allowed."""

    code = "decode-too-costly"

    def __init__(self) -> None:
        super().__init__("The picture takes too much computing to be decoded.")


class DecoderCrashedError(PictureError):
    """The picture crashes its decoder."""

    code = "decoder-crashed"

    def __init__(self) -> None:
        super().__init__("The picture is broken in a way that crashes its decoder.")


class DecodeTimeoutError(Exception):
    """The picture was not decoded in time, by the clock on the wall: the host may be crowded, or paused."""


class HostExhaustedError(Exception):
    """The host has no memory, processes or disk left; the same will work later, or elsewhere."""


class StaleJobError(Exception):
    """A newer generation of the same image, NEWEST, has written its thumbs: this job's result is worthless.

    The job is late, or the catalog that asked for it is older than the bucket.
    """

    def __init__(self, newest: int) -> None:
        super().__init__(f"generation {newest} was here")
        self.newest = newest


class StorageError(Exception):
    """S3 does not answer, or not as it should; the same will work later."""


class AccessDeniedError(StorageError):
    """S3 refuses for want of a right, which the operator may grant; so it also hides that there is no object."""


class BucketRefusedError(StorageError):
    """S3 refuses the credential, the clock, the region or the bucket: until somebody puts that right, all of BUCKET."""

    def __init__(self, bucket: str, code: str) -> None:
        super().__init__(f"S3 refuses {bucket}: {code}")
        self.code = code


class OriginalDeniedError(AccessDeniedError):
    """S3 refuses to give the original for want of a right, if there is one."""


@dataclass(frozen=True)
class Original:
    """An object as it was read: its bytes, and the ETag, in quotes, that says which version of it."""

    data: bytes
    etag: str


@dataclass(frozen=True)
class Limits:
    """What a picture may be before it is decoded, and the memory in bytes that decoding it may take."""

    max_bytes: int
    max_pixels: int
    max_side: int
    max_memory: int
    formats: tuple[str, ...]


@dataclass(frozen=True)
class Thumb:
    """An encoded thumb that fits a square of SQUARE pixels."""

    square: int
    width: int
    height: int
    content_type: str
    data: bytes


@dataclass(frozen=True)
class Rendering:
    """All that is made of a picture; sizes are of the upright picture in pixels, the placeholder is a ThumbHash."""

    width: int
    height: int
    content_type: str
    colors: tuple[str, ...]
    placeholder: str
    thumbs: tuple[Thumb, ...]


@dataclass(frozen=True)
class Job:
    """What catalog asks for: the object, the registration and generation that it is for, and whose thumbs are ours.

    Thumbs say which INSTALLATION_ID made them; those that say nothing are ours if OWNS_UNMARKED. A catalog of an
    earlier release tells no id: it is the only one then, and all thumbs are its own.
    """

    image_id: str
    generation: int
    s3_bucket: str
    s3_key: str
    installation_id: str | None = None
    owns_unmarked: bool = True

    def owns(self, installation_id: str | None) -> bool:
        """Tell whether a thumb that says INSTALLATION_ID, or None, was made by the installation of this job."""
        if installation_id is None or self.installation_id is None:
            return self.owns_unmarked
        return installation_id == self.installation_id


def thumb_key(s3_key: str, square: int) -> str:
    """Give the key of the thumb of S3_KEY for SQUARE: `dir/name` has its thumb at `dir/t512/name`."""
    folder, slash, name = s3_key.rpartition("/")
    return f"{folder}{slash}t{square}/{name}"
