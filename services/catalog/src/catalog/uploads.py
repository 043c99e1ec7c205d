"""Signed uploads: an S3 POST policy for one prefix, one content type and a largest size, valid for ten minutes.

For S3 servers without forms there is a signed PUT for one key, one content type and one size. What the gateway has
taken itself it puts by a signed URL, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from catalog.errors import UnacceptableKeyError
from catalog.keys import MAX_KEY_BYTES, check_key, without_control_characters

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
_LONGEST_EXTENSION = 16
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


class PutSigner(Protocol):
    """What signs the URL of one request; the S3 client of boto3 does."""

    def generate_presigned_url(
        self,
        ClientMethod: str,  # noqa: N803 - boto3's own names
        Params: Mapping[str, Any] = ...,  # noqa: N803
        ExpiresIn: int = 3600,  # noqa: N803
    ) -> str:
        """Return the URL."""


class Signer(PostSigner, PutSigner, Protocol):
    """What signs both."""


@dataclass(frozen=True)
class Uploads:
    """Where uploads go and how large they may be. `put_signer` signs for the address at which the gateway finds S3."""

    signer: Signer
    put_signer: PutSigner
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

    def sign_sized_put(self, s3_key: str, content_type: str, size: int) -> dict[str, Any]:
        """Return `url`, and the `headers` to send with it, of a PUT by a client of `size` bytes to `s3_key`.

        The length is signed, since a URL cannot say how large the object may be at most.
        """
        stored = {"Bucket": self.bucket, "Key": s3_key, "ContentType": content_type, "ContentLength": size}
        url = self.signer.generate_presigned_url("put_object", Params=stored, ExpiresIn=VALID_S)
        headers = {"Content-Type": content_type, "Content-Length": str(size)}
        return {"url": url, "headers": headers, "s3_key": s3_key}

    def sign_put(self, s3_key: str, content_type: str) -> dict[str, Any]:
        """Return `url`, and the `headers` to send with it, of a PUT that stores the object at `s3_key`."""
        stored = {"Bucket": self.bucket, "Key": s3_key, "ContentType": content_type}
        url = self.put_signer.generate_presigned_url("put_object", Params=stored, ExpiresIn=VALID_S)
        return {"url": url, "headers": {"Content-Type": content_type}, "s3_key": s3_key}


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


def name_of(filename: str) -> str:
    """Return what of `filename` may follow a prefix that is handed out; nearly all are left as they are.

    Folders are left out, and control characters replaced. One that is too long loses the end of what is before its
    extension.
    """
    name = without_control_characters(filename.rpartition("/")[2])
    if name in {"", ".", ".."}:
        return "image"
    most = MAX_KEY_BYTES - PREFIX_LENGTH - 1
    if len(name.encode()) <= most:
        return name
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension.encode()) > _LONGEST_EXTENSION:
        stem, dot, extension = name, "", ""
    kept = most - len((dot + extension).encode())
    return stem.encode()[:kept].decode(errors="ignore") + dot + extension
