"""What goes wrong without an answer of the service that says so. What the service refuses is in `problems`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imghost.models import Image


class ImghostError(Exception):
    """The base of all errors of this package."""


class NoAnswerError(ImghostError):
    """The service did not answer in time, or cannot be reached.

    A change may have been made nevertheless, if `sent` is true; the logs of the service know `request_id`.
    """

    def __init__(self, detail: str, request_id: str, *, sent: bool) -> None:
        super().__init__(detail)
        self.request_id = request_id
        self.sent = sent


class UploadFailedError(ImghostError):
    """S3 did not take a file. `code` is that of S3, such as `EntityTooLarge`; empty if S3 did not answer."""

    def __init__(self, detail: str, code: str = "") -> None:
        super().__init__(detail)
        self.code = code


class FileChangedError(ImghostError):
    """A file became shorter while it was sent."""


class ImageFailedError(ImghostError):
    """An image that was waited for has failed. `code` says why, and `image` is the image."""

    def __init__(self, image: "Image") -> None:
        self.image = image
        self.code = image.error.code if image.error else ""
        super().__init__(image.error.detail if image.error else "the image has failed")


class StillPendingError(ImghostError):
    """An image that was waited for is still pending. It goes on without you; `image` is how it was last."""

    def __init__(self, image: "Image", waited_s: float) -> None:
        self.image = image
        super().__init__(f"{image.s3_key} is still pending after {waited_s:g} s")
