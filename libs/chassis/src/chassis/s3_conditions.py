"""Conditions of PUT and DELETE: whether the server behind a bucket keeps them is found out, never taken for granted.

S3 promises `If-None-Match: *` and `If-Match`. Some servers ignore them without a word, some refuse them, some want the
entity tag of `If-Match` without its quotes. So each process asks once per bucket, on an object of the service's own.
"""

import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import BotoCoreError, ClientError

from chassis import s3

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

Mode = Literal["auto", "always", "never"]

_BODY = b"imghost asks here whether conditions are kept"
_NO_ETAG = "0" * 32


@dataclass(frozen=True)
class Manners:
    """Which conditions are kept: of a PUT over nothing, of a PUT over a known object, of a DELETE of a known object.

    QUOTED tells whether If-Match takes the entity tag in quotes, as the standard has it.
    """

    creations: bool
    overwrites: bool
    deletions: bool
    quoted: bool = True

    def unkept(self) -> list[str]:
        """Name the requests whose conditions are not kept."""
        named = {"creating": self.creations, "overwriting": self.overwrites, "deleting": self.deletions}
        return [name for name, kept in named.items() if not kept]

    def if_absent(self) -> dict[str, str]:
        """Give the condition of a PUT over nothing, none where it would not be kept."""
        return {"IfNoneMatch": "*"} if self.creations else {}

    def if_unchanged(self, etag: str) -> dict[str, str]:
        """Give the condition of a PUT over the object of ETAG, none where it would not be kept."""
        return {"IfMatch": self._form(etag)} if self.overwrites else {}

    def if_undeleted(self, etag: str) -> dict[str, str]:
        """Give the condition of a DELETE of the object of ETAG, none where it would not be kept."""
        return {"IfMatch": self._form(etag)} if self.deletions else {}

    def _form(self, etag: str) -> str:
        return s3.quoted(etag) if self.quoted else s3.bare(etag)


ALL = Manners(creations=True, overwrites=True, deletions=True)
NONE = Manners(creations=False, overwrites=False, deletions=False)


@dataclass
class Conditions:
    """What CLIENT's servers do with conditions, by bucket. Safe to share between threads.

    MODE "auto" uses those that a probe found kept, "always" all of them, "never" none, without a probe. TELL is called
    once per bucket with what the probe found.
    """

    client: "S3Client"
    mode: Mode
    tell: Callable[[str, Manners], None]
    _known: dict[str, Manners] = field(default_factory=dict, init=False)
    _locks: dict[str, threading.Lock] = field(default_factory=dict, init=False)

    def of(self, bucket: str) -> Manners:
        """Give the manners of BUCKET, which is asked the first time; raises what botocore does, of the moment only."""
        if self.mode == "never":
            return NONE
        # One lock per bucket: a server that does not answer must not hold up the others.
        with self._locks.setdefault(bucket, threading.Lock()):
            if bucket not in self._known:
                found = probe(self.client, bucket)
                self.tell(bucket, found)
                self._known[bucket] = replace(ALL, quoted=found.quoted) if self.mode == "always" else found
            return self._known[bucket]


def probe(client: "S3Client", bucket: str) -> Manners:
    """Find out which conditions BUCKET keeps, on an object that is made for this and deleted at the end.

    Where that object cannot be made nothing is known, which counts as none kept. Raises ClientError for refusals of
    the credential or the bucket, and for what may pass (5xx, throttling), and BotoCoreError where S3 does not answer.
    """
    key = f"{s3.OWN_FOLDER}{uuid.uuid4().hex}"
    put = partial(client.put_object, Bucket=bucket, Key=key, Body=_BODY)
    if _ask(put) is not _Answer.DONE:
        return NONE
    try:
        creations = _ask(put, IfNoneMatch="*") is _Answer.CONDITION_FAILED
        etag = _etag(client, bucket, key)
        forms = [form for form in (s3.quoted, s3.bare) if _ask(put, IfMatch=form(etag)) is _Answer.DONE]
        form = forms[0] if forms else s3.quoted
        overwrites = bool(forms) and _ask(put, IfMatch=form(_NO_ETAG)) is _Answer.CONDITION_FAILED
        deletions = _deletes_on_condition(client, bucket, key, form)
    finally:
        with suppress(ClientError, BotoCoreError):
            client.delete_object(Bucket=bucket, Key=key)
    return Manners(creations, overwrites, deletions, quoted=form is s3.quoted)


class _Answer(Enum):
    DONE = auto()
    CONDITION_FAILED = auto()
    REFUSED = auto()


def _deletes_on_condition(client: "S3Client", bucket: str, key: str, form: Callable[[str], str]) -> bool:
    """Tell whether a DELETE is refused where the entity tag is another, and done where it is the object's."""
    delete = partial(client.delete_object, Bucket=bucket, Key=key)
    if _ask(delete, IfMatch=form(_NO_ETAG)) is not _Answer.CONDITION_FAILED:
        return False
    etag = _etag(client, bucket, key)
    return bool(etag) and _ask(delete, IfMatch=form(etag)) is _Answer.DONE


def _ask(request: Callable[..., Any], **condition: str) -> _Answer:
    """Send REQUEST under CONDITION; raises what may pass by itself, or be put right."""
    try:
        request(**condition)
    except ClientError as fault:
        code, status = s3.code_of(fault), fault.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in s3.CONDITION_FAILED:
            return _Answer.CONDITION_FAILED
        if code in s3.REFUSALS or status == HTTPStatus.TOO_MANY_REQUESTS:
            raise
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED:
            raise
        return _Answer.REFUSED
    return _Answer.DONE


def _etag(client: "S3Client", bucket: str, key: str) -> str:
    """Give the entity tag of the probe's object; empty where that cannot be had, by which no condition holds."""
    try:
        found = s3.look(client, bucket, key)
    except ClientError as fault:
        if s3.code_of(fault) not in s3.DENIED:
            raise
        found = None
    return found.etag if found else ""
