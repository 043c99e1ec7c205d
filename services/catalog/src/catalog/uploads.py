"""Signed uploads: an S3 POST policy for one prefix, one content type and a largest size, valid for ten minutes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from catalog.errors import UnacceptableKeyError
from catalog.keys import check_key

VALID_S = 600
PREFIX_LENGTH = 26
# The formats that imaging processes, by file extension. None that a browser would execute: no SVG, no HTML.
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
# The client replaces it before it sends the form, since not every server does so itself.
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
        """Return `url` and `fields` of a form."""


@dataclass(frozen=True)
class Uploads:
    """Where uploads go and how large they may be."""

    signer: PostSigner
    bucket: str
    max_bytes: int

    def sign(self, prefix: str, filename: str | None = None, content_type: str | None = None) -> dict[str, Any]:
        """Return a signed form that puts one image below `prefix`; nothing is asked of S3.

        Without `filename` the client completes the key. The policy names exactly one content type: a condition on how
        it begins would accept `image/svg+xml`, and on some servers `image/png, text/html`.
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
    """Return the content type for the extension of `filename`; imaging later looks at the content itself."""
    return CONTENT_TYPES.get(filename.rpartition(".")[2].lower(), DEFAULT_TYPE)


def check_filename(filename: str) -> None:
    """Raise `UnacceptableKeyError`, which says why, unless `filename` may follow a prefix that is handed out."""
    if "/" in filename:
        raise UnacceptableKeyError("Must not contain a slash")
    if PLACEHOLDER in filename:
        raise UnacceptableKeyError(f"Must not contain {PLACEHOLDER}, which S3 would replace")
    check_key(f"{'x' * PREFIX_LENGTH}/{filename}")
