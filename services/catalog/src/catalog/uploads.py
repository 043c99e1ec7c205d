"""Signed uploads: an S3 POST policy bound to a user's own fresh prefix, to images, to a size, for ten minutes."""

import base64
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from catalog import use_cases
from chassis.tokens import Principal

if TYPE_CHECKING:
    from catalog.adapters.store import Store

VALID_S = 600
# S3 keeps the client's file name behind the slash; 15 random bytes are 24 letters and digits.
_PREFIX_BYTES = 15


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

    def sign(self, prefix: str) -> dict[str, Any]:
        """Sign a form that puts one image of any name under PREFIX; nothing is asked of S3 for this."""
        return self.signer.generate_presigned_post(
            Bucket=self.bucket,
            Key=f"{prefix}/${{filename}}",
            Conditions=[
                ["starts-with", "$Content-Type", "image/"],
                ["content-length-range", 1, self.max_bytes],
            ],
            ExpiresIn=VALID_S,
        )


def hand_out_prefix(store: "Store", caller: Principal) -> str:
    """Give CALLER a fresh prefix; images under it can be registered by them only."""
    use_cases.admit(store, caller)
    prefix = base64.b32encode(secrets.token_bytes(_PREFIX_BYTES)).decode().lower()
    store.add_upload_prefix(prefix, caller.user_id)
    return prefix
