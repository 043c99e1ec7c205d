"""An S3 of the caller's own, named by the environment variables that S3 clients use."""

from collections.abc import Mapping

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError  # noqa: A004 - botocore's

from embedded.faults import RunFailed
from embedded.parts.s3 import REGION, Storage

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def read(environ: Mapping[str, str]) -> Storage | None:
    """Return the S3 that the caller named, or None if none is. Raise `RunFailed` if a variable of it is missing.

    S3_BUCKET without S3_ENDPOINT_URL is a bucket at AWS.
    """
    endpoint, bucket = environ.get("S3_ENDPOINT_URL", "").rstrip("/"), environ.get("S3_BUCKET", "")
    if not endpoint and not bucket:
        return None
    missing = [name for name in ("S3_BUCKET", *KEYS) if not environ.get(name)]
    if missing:
        named = "S3_ENDPOINT_URL names an S3" if endpoint else "S3_BUCKET names a bucket at AWS"
        raise RunFailed(f"{named}, and {', '.join(missing)} is not set; nothing was started")
    region = environ.get("AWS_DEFAULT_REGION") or environ.get("AWS_REGION") or REGION
    key_id, secret = (environ[name] for name in KEYS)
    return Storage(endpoint, key_id, secret, bucket, region)


def require(storage: Storage) -> None:
    """Raise `RunFailed` unless the bucket exists and the credential may list it. Nothing in it is changed."""
    try:
        storage.client().list_objects_v2(Bucket=storage.bucket, MaxKeys=1)
    except ClientError as refusal:
        code = refusal.response["Error"]["Code"]
        if code == "NoSuchBucket":
            fault = f"there is no bucket {storage.bucket} at {storage.shown} (S3_BUCKET)"
        else:
            names = ", ".join(KEYS)
            fault = f"{storage.shown} does not open the bucket {storage.bucket} for the credential: {code} ({names})"
    except (ConnectionError, HTTPClientError):
        fault = f"no S3 answers at {storage.shown} (S3_ENDPOINT_URL)"
    except (BotoCoreError, ValueError) as refusal:  # a malformed address or name of a bucket
        reason = " ".join(str(refusal).splitlines()[:2])[:200]
        fault = f"no S3 can be asked at {storage.shown} for the bucket {storage.bucket}: {reason}"
    else:
        return
    raise RunFailed(f"{fault}; nothing was started")
