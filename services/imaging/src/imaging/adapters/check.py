"""Checking a bucket for operators: every request that the worker will send, tried on an object of its own."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError

from chassis.s3 import check as s3_check
from chassis.s3 import client as s3
from chassis.s3 import conditions as s3_conditions
from chassis.s3.check import CannotGoOnError, Check
from imaging.adapters.storage import CACHE_CONTROL, connect
from imaging.adapters.thumb_metadata import IMAGE_ID
from imaging.settings import ImagingSettings

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_BODY = b"imghost tries here what it needs of S3"
_LOOKS_FIRST = "imaging looks at a thumb's key before it writes there; a concurrent write between the two is lost"


@dataclass(frozen=True)
class Trial:
    """An object at `key` of `bucket` on which everything is tried; the caller deletes it in the end."""

    client: "S3Client"
    bucket: str
    key: str

    def url(self, base_url: str | None) -> str:
        """Return the URL at which anybody should be able to read it: below `base_url`, by default at the endpoint."""
        if base_url is not None:
            return f"{base_url.rstrip('/')}/{quote(self.key, safe='/')}"
        signed = self.client.generate_presigned_url("get_object", Params={"Bucket": self.bucket, "Key": self.key})
        return signed.partition("?")[0]

    def write(self) -> None:
        """Write the object, with metadata like a thumb's."""
        self.client.put_object(
            Bucket=self.bucket,
            Key=self.key,
            Body=_BODY,
            ContentType="image/jpeg",
            CacheControl=CACHE_CONTROL,
            Metadata={IMAGE_ID: self.key},
        )

    def read(self) -> Check | None:
        """Read the object whole."""
        body = self.client.get_object(Bucket=self.bucket, Key=self.key)["Body"].read()
        return None if body == _BODY else Check("read an object", "no", "what was read is not what was written")

    def metadata(self) -> Check | None:
        """Read the object's metadata, which tells thumbs from the objects of others."""
        found = s3.look(self.client, self.bucket, self.key)
        if found is not None and found.metadata.get(IMAGE_ID) == self.key:
            return None
        return Check("keep metadata", "no", "this S3 loses metadata; a server on files needs a file system with xattrs")

    def missing(self) -> Check | None:
        """Look at an object that does not exist."""
        try:
            s3.look(self.client, self.bucket, f"{self.key}-missing")
        except ClientError as fault:
            if s3.code_of(fault) not in s3.DENIED:
                raise
            advice = "grant s3:ListBucket: missing originals are reported as unreadable, and deletions may wait"
            return Check("tell missing from forbidden", "limited", advice)
        return None

    def list(self) -> None:
        """List one object."""
        self.client.list_objects_v2(Bucket=self.bucket, MaxKeys=1)

    def delete(self) -> Check | None:
        """Delete the object."""
        self.client.delete_object(Bucket=self.bucket, Key=self.key)
        if s3.look(self.client, self.bucket, self.key) is None:
            return None
        return Check("delete an object", "no", "the object is still there")


def check(settings: ImagingSettings, bucket: str, base_url: str | None) -> Iterator[Check]:
    """Try everything that the worker needs of `bucket`; anybody can read below `base_url`, by default the endpoint."""
    client = connect(settings)
    trial = Trial(client, bucket, f"{s3.OWN_FOLDER}check-{uuid.uuid4().hex}")
    try:
        yield from _all(trial, base_url)
    except CannotGoOnError as fault:
        yield fault.check
        yield Check("everything else", "not tried")
    finally:
        with suppress(ClientError, BotoCoreError):
            client.delete_object(Bucket=bucket, Key=trial.key)


def _all(trial: Trial, base_url: str | None) -> Iterator[Check]:
    written = s3_check.tried("write an object", trial.write, "grant s3:PutObject")
    yield written
    if written.verdict == "no":
        raise CannotGoOnError(Check("read and delete it", "not tried"))
    steps: dict[str, tuple[Callable[[], Check | None], str]] = {
        "keep metadata": (trial.metadata, "grant s3:GetObject"),
        "read an object": (trial.read, "grant s3:GetObject"),
        "tell missing from forbidden": (trial.missing, "grant s3:ListBucket"),
        "list": (trial.list, "grant s3:ListBucket"),
    }
    for needs, (work, advice) in steps.items():
        yield s3_check.tried(needs, work, advice)
    yield s3_check.read_by_everybody(trial.url(base_url))
    yield from _conditions(trial)
    yield s3_check.tried("delete an object", trial.delete, "grant s3:DeleteObject")


def _conditions(trial: Trial) -> Iterator[Check]:
    found: list[s3_conditions.KeptConditions] = []
    failed = s3_check.tried(
        "conditions", lambda: found.append(s3_conditions.probe(trial.client, trial.bucket)), "conditions are refused"
    )
    if not found:
        yield failed
        return
    kept = found[0]
    for name, is_kept in (
        ("write on condition that nothing is there", kept.creations),
        ("overwrite on condition", kept.overwrites),
        ("delete on condition", kept.deletions),
    ):
        yield Check(name, "yes") if is_kept else Check(name, "limited", _LOOKS_FIRST)
