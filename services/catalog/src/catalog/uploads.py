"""Signed uploads: an S3 POST policy bound to a user's own fresh prefix, to a type, to a size, for ten minutes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from catalog.errors import UnacceptableKeyError
from catalog.keys import check_key

VALID_S = 600
# What imaging takes, by the extensions of file names. Nothing that a browser would run: no SVG, no HTML.
CONTENT_TYPES: Mapping[str, str] = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "avif": "image/avif",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "bmp": "image/bmp",
    "heic": "image/heic",
    "heif": "image/heif",
}
DEFAULT_TYPE = "image/jpeg"
# To be replaced by the client, before the form is sent: not every server does it.
PLACEHOLDER = "${filename}"


class PostSigner(Protocol):
    """What signs a POST policy; the S3 client of boto3 does."""

    def generate_presigned_post(
        self,
        Bucket: str,  # noqa: N803 - boto3's own names
        Key: str,  # noqa: N803
        Fields: dict[str, Any] | None = None,  # noqa: N803
        Conditions: list[Any] | dict[str, Any] | None = None,  # noqa: N803
        ExpiresIn: int = 3600,  # noqa: N803
    ) -> dict[str, Any]:
        """Give `url` and `fields`."""


@dataclass(frozen=True)
class Uploads:
    """Where uploads go and how large they may be."""

    signer: PostSigner
    bucket: str
    max_bytes: int

    def sign(self, prefix: str, filename: str | None = None, content_type: str | None = None) -> dict[str, Any]:
        """Sign a form that puts one image under PREFIX; nothing is asked of S3 for this.

        With FILENAME the key is finished, without it the client completes it. The policy names one content type: a
        condition that only tells how it begins lets `image/svg+xml` pass, and at some servers `image/png, text/html`.
        """
        chosen = content_type or type_of(filename or "")
        return self.signer.generate_presigned_post(
            Bucket=self.bucket,
            Key=f"{prefix}/{PLACEHOLDER if filename is None else filename}",
            Fields={"Content-Type": chosen},
            Conditions=[{"Content-Type": chosen}, ["content-length-range", 1, self.max_bytes]],
            ExpiresIn=VALID_S,
        )


def type_of(filename: str) -> str:
    """Give the content type that FILENAME promises. What is in the file is found out later, by its content."""
    return CONTENT_TYPES.get(filename.rpartition(".")[2].lower(), DEFAULT_TYPE)


def check_filename(filename: str) -> None:
    """Raise UnacceptableKeyError, saying why, unless FILENAME may stand behind a prefix that is handed out."""
    if "/" in filename:
        raise UnacceptableKeyError("Must not contain a slash")
    if PLACEHOLDER in filename:
        raise UnacceptableKeyError(f"Must not contain {PLACEHOLDER}, which S3 would replace")
    check_key(f"{'x' * 24}/{filename}")
