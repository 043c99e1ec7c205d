"""What can go wrong: with a picture (final, told to its owner), with a job, with S3 or with the host (retried)."""

from typing import ClassVar


class PictureError(Exception):
    """A picture that no retry could process either; the text is for the picture's owner."""

    code: ClassVar[str]


class OriginalMissingError(PictureError):
    """There is no object at the key."""

    code = "original-missing"

    def __init__(self) -> None:
        super().__init__("There is no object at this key. Upload it, then ask for reprocessing.")


class OriginalUnreadableError(PictureError):
    """S3 does not return the object, and will not until its owner or the operator does something about it."""

    code = "original-unreadable"

    def __init__(self, why: str) -> None:
        super().__init__(f"{why} When that is put right, ask for reprocessing.")


class UnsupportedFormatError(PictureError):
    """The object is no picture, or of a format that is not accepted."""

    code = "unsupported-format"


class MalformedError(PictureError):
    """The object is a broken or truncated picture."""

    code = "malformed"


class TooLargeError(PictureError):
    """The object has too many bytes or pixels."""

    code = "too-large"


class ThumbKeyOccupiedError(PictureError):
    """An object that is no thumb of this installation lies where a thumb should go."""

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
    """Decoding took too much wall-clock time; the picture may be at fault, or a host that is crowded or paused."""


class HostExhaustedError(Exception):
    """The host has no memory, processes or disk left; a retry may work, here later or on another host."""


class StaleJobError(Exception):
    """A newer generation of the same image, `newest`, has written its thumbs: this job's result is worthless.

    The job is late, or the catalog that asked for it is older than the bucket (it was restored from a backup).
    """

    def __init__(self, newest: int) -> None:
        super().__init__(f"generation {newest} was here")
        self.newest = newest


class StorageError(Exception):
    """S3 does not answer, or not as it should; a retry may work."""


class AccessDeniedError(StorageError):
    """S3 denies access to one object. The operator may grant the right; S3 answers so for missing objects as well."""


class BucketRefusedError(StorageError):
    """S3 refuses all requests on `bucket`: credential, clock, region or the bucket itself are wrong."""

    def __init__(self, bucket: str, code: str) -> None:
        super().__init__(f"S3 refuses {bucket}: {code}")
        self.code = code


class OriginalDeniedError(AccessDeniedError):
    """S3 denies access to the original, if there is one."""
