"""The S3 client that signs uploads; it needs a credential that may put objects, and sends nothing itself."""

from catalog.settings import ServeSettings
from catalog.uploads import Uploads
from chassis.s3 import client as s3


def make_uploads(settings: ServeSettings) -> Uploads | None:
    """Make what signs uploads, or None where the operator has set no default bucket or no credential."""
    if settings.default_bucket is None or settings.s3_access_key_id is None or settings.s3_secret_access_key is None:
        return None
    return Uploads(s3.connect(s3.Access.from_settings(settings)), settings.default_bucket, settings.upload_max_bytes)
