"""The S3 client that signs uploads; it needs a credential that may put objects, and sends nothing itself."""

from typing import Literal

import boto3
from botocore.config import Config

from catalog.settings import ServeSettings
from catalog.uploads import Uploads


def make_uploads(settings: ServeSettings) -> Uploads | None:
    """Make what signs uploads, or None where the operator has set no default bucket or no credential."""
    if settings.default_bucket is None or settings.s3_access_key_id is None or settings.s3_secret_access_key is None:
        return None
    # An endpoint of our own is addressed by path: its buckets have no host names.
    style: Literal["path", "virtual"] = "path" if settings.s3_endpoint_url else "virtual"
    client = boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint_url,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key_id,
        aws_secret_access_key=settings.s3_secret_access_key.get_secret_value(),
        config=Config(signature_version="s3v4", s3={"addressing_style": style}),
    )
    return Uploads(client, settings.default_bucket, settings.upload_max_bytes)
