"""S3 clients, and how the answers of servers are read.

Servers, and the proxies before them, differ in what the protocol leaves open: the case of header names, the form of
entity tags, the codes of refusals. The differences are known in this module only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from chassis.s3 import metrics
from chassis.settings import ProcessSettings

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, HeadObjectOutputTypeDef

AddressingStyle = Literal["auto", "path", "virtual"]

CONNECT_TIMEOUT_S = 3
ATTEMPTS = 3

MISSING = {"NoSuchKey", "404", "NotFound"}
CONDITION_FAILED = {"PreconditionFailed", "412"}
# A condition failed, or the server could not decide it because of another write at the same time.
RACED = CONDITION_FAILED | {"ConditionalRequestConflict", "409"}
DENIED = {"AccessDenied", "AllAccessDisabled", "403"}
# The object is encrypted with a key that only its owner has, or that is disabled: nobody else can read its metadata.
UNREADABLE = {
    "InvalidRequest",
    "KMS.DisabledException",
    "KMS.InvalidKeyUsageException",
    "KMS.KMSInvalidStateException",
    "KMS.NotFoundException",
}
# Refusals for which the credential, the clock, the region or the bucket itself is to blame: retrying does not help
# until an operator changes that. The texts are for operators.
REFUSALS: Mapping[str, str] = {
    "InvalidAccessKeyId": "S3 does not know the access key id",
    "SignatureDoesNotMatch": "the secret access key is wrong",
    "InvalidToken": "S3 does not take the credential",
    "InvalidClientTokenId": "S3 does not take the credential",
    "ExpiredToken": "the credential has expired",
    "TokenRefreshRequired": "the credential has expired",
    "RequestTimeTooSkewed": "the clock of this machine and that of S3 differ too much",
    "RequestExpired": "the clock of this machine and that of S3 differ too much",
    "AuthorizationHeaderMalformed": "the region is wrong",
    "InvalidRegion": "the region is wrong",
    "PermanentRedirect": "the bucket is in another region, or at another endpoint",
    "IllegalLocationConstraintException": "the bucket is in another region",
    "NoSuchBucket": "there is no such bucket",
    "InvalidBucketName": "no bucket can have this name",
    "AccountProblem": "there is a problem with the account at S3",
    "NotSignedUp": "the account is not signed up for S3",
    "UserSuspended": "the account is suspended at S3",
}
# The folder of the objects that are written to test the server. No image may have such a key, since it has the form of
# a thumb's folder, and no thumb has 0 pixels: there are no objects of users or thumbs in it.
OWN_FOLDER = "imghost/t0/"

# A refused HEAD has no body, so its status is all that botocore can give as code.
_NO_CODE = {"400", "403", "BadRequest", "Forbidden"}


@dataclass(frozen=True)
class Access:
    """The address of an S3 server, AWS if there is no endpoint, and a credential for it."""

    endpoint_url: str | None
    region: str
    access_key_id: str
    secret_access_key: str
    addressing_style: AddressingStyle = "auto"

    @classmethod
    def from_settings(cls, settings: ProcessSettings, prefix: str = "s3") -> "Access":
        """Read the five settings whose names begin with `prefix`, as in `s3_endpoint_url` and `s3_region`."""

        def given(name: str) -> Any:
            return getattr(settings, f"{prefix}_{name}")

        return cls(
            given("endpoint_url"),
            given("region"),
            given("access_key_id"),
            given("secret_access_key").get_secret_value(),
            given("addressing_style"),
        )


@dataclass(frozen=True)
class Found:
    """What is known of an object. Names of `metadata` are in lower case; `etag` has no quotes, and may be empty."""

    metadata: Mapping[str, str]
    etag: str
    date_modified: datetime


def connect(
    access: Access, *, read_timeout_s: float = 10, max_connections: int = 10, checksums: bool = False
) -> "S3Client":
    """Return a client for `access` whose requests are bounded in time and tried three times; S3 is not called for it.

    `checksums` has boto3 send and verify CRC checksums wherever it can, which some servers refuse.

    Buckets are addressed by path where an endpoint is given, since few self-hosted servers have a host name for each
    bucket, and by host at AWS, unless the addressing style says otherwise.
    """
    when: Literal["when_supported", "when_required"] = "when_supported" if checksums else "when_required"
    style = access.addressing_style
    if style == "auto":
        style = "path" if access.endpoint_url else "virtual"
    client = boto3.client(
        "s3",
        endpoint_url=access.endpoint_url,
        region_name=access.region,
        aws_access_key_id=access.access_key_id,
        aws_secret_access_key=access.secret_access_key,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": style},
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=read_timeout_s,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            max_pool_connections=max_connections,
            request_checksum_calculation=when,
            response_checksum_validation=when,
        ),
    )
    metrics.measure(client)
    return client


def code_of(fault: ClientError) -> str:
    """Return the code of a refusal; for a HEAD request it is the status."""
    return str(fault.response.get("Error", {}).get("Code", ""))


def bare(etag: str) -> str:
    """Return an entity tag without quotes and `W/`: servers send `"x"`, `W/"x"` and `x` for the same."""
    return etag.strip().removeprefix("W/").strip('"')


def quoted(etag: str) -> str:
    """Return an entity tag in quotes, the form in which it is stored and compared."""
    return f'"{bare(etag)}"'


def etag_of(answer: "HeadObjectOutputTypeDef | GetObjectOutputTypeDef") -> str:
    """Return the entity tag of `answer` without quotes; empty if there is none, as with some servers."""
    # The type stubs say that there always is one.
    return bare(answer.get("ETag", ""))


def look(client: "S3Client", bucket: str, key: str) -> Found | None:
    """Return what is known of the object at `key`, None if there is none. Errors of botocore pass through.

    A refusal has its code, for which a GET follows where a HEAD was refused. An object that only its owner can read is
    returned without metadata and entity tag.
    """
    try:
        return _found(client.head_object(Bucket=bucket, Key=key))
    except ClientError as fault:
        if code_of(fault) in MISSING:
            return None
        if code_of(fault) not in _NO_CODE:
            raise
    try:
        answer = client.get_object(Bucket=bucket, Key=key, Range="bytes=0-0")
    except ClientError as fault:
        if code_of(fault) in MISSING:
            return None
        if code_of(fault) in UNREADABLE:
            return Found({}, "", datetime.now(UTC))
        raise
    answer["Body"].close()
    return _found(answer)


def _found(answer: "HeadObjectOutputTypeDef | GetObjectOutputTypeDef") -> Found:
    # Header names have no case: every server and proxy written in Go sends them capitalised.
    metadata = {name.lower(): value for name, value in answer["Metadata"].items()}
    # Not every server sends a date, whatever the type stubs say.
    members: Mapping[str, Any] = {**answer}
    return Found(metadata, etag_of(answer), members.get("LastModified") or datetime.now(UTC))
