"""Conditions of PUT and DELETE: whether the server behind a bucket keeps them is found out, never taken for granted.

S3 promises `If-None-Match: *` and `If-Match`. Some servers ignore them without a word, some refuse them, some want the
entity tag of `If-Match` without its quotes. So each process asks once per bucket, on an object of the service's own.
"""

import math
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import BotoCoreError, ClientError

from chassis.s3 import client as s3

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

Mode = Literal["auto", "always", "never"]

_BODY = b"imghost asks here whether conditions are kept"
_NO_ETAG = "0" * 32
_MOMENTARY = {"RequestTimeout", "OperationAborted", "SlowDown"}
_MOMENTARY_STATUSES = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}


@dataclass(frozen=True)
class Manners:
    """Which conditions are kept: of a PUT over nothing, of a PUT over a known object, of a DELETE of a known object.

    QUOTED tells whether If-Match takes the entity tag in quotes, as the standard has it. Where a probe was refused none
    is known to be kept, but none is known not to be: then they are SENT all the same, which does no harm.
    """

    creations: bool
    overwrites: bool
    deletions: bool
    quoted: bool = True
    sent: bool = False

    def unkept(self) -> list[str]:
        """Name the requests whose conditions are not known to be kept."""
        named = {"creating": self.creations, "overwriting": self.overwrites, "deleting": self.deletions}
        return [name for name, kept in named.items() if not kept]

    def if_absent(self) -> dict[str, str]:
        """Give the condition of a PUT over nothing, none where it is not to be sent."""
        return {"IfNoneMatch": "*"} if self.creations or self.sent else {}

    def if_unchanged(self, etag: str) -> dict[str, str]:
        """Give the condition of a PUT over the object of ETAG, none where it is not to be sent or there is no ETAG."""
        return {"IfMatch": self._form(etag)} if (self.overwrites or self.sent) and etag else {}

    def if_undeleted(self, etag: str) -> dict[str, str]:
        """Give the condition of a DELETE of the object of ETAG, none where it is not to be sent or there is no ETAG."""
        return {"IfMatch": self._form(etag)} if (self.deletions or self.sent) and etag else {}

    def _form(self, etag: str) -> str:
        return s3.quoted(etag) if self.quoted else s3.bare(etag)


ALL = Manners(creations=True, overwrites=True, deletions=True)
NONE = Manners(creations=False, overwrites=False, deletions=False)
UNKNOWN = replace(NONE, sent=True)
# What could not be found out is tried again after so long: rights are granted, and servers recover.
UNKNOWN_FOR_S = 600.0


@dataclass
class Conditions:
    """What CLIENT's servers do with conditions, by bucket. Safe to share between threads.

    MODE "auto" uses those that a probe found kept, "always" all of them, "never" none, without a probe. TELL is called
    with what a probe found, once per bucket unless a later one finds something else.
    """

    client: "S3Client"
    mode: Mode
    tell: Callable[[str, Manners], None]
    clock: Callable[[], float] = time.monotonic
    _known: dict[str, tuple[Manners, float]] = field(default_factory=dict, init=False)
    _told: dict[str, Manners] = field(default_factory=dict, init=False)
    _locks: dict[str, threading.Lock] = field(default_factory=dict, init=False)

    def of(self, bucket: str) -> Manners:
        """Give the manners of BUCKET, which is asked the first time; raises what botocore does, of the moment only."""
        if self.mode == "never":
            return NONE
        # One lock per bucket: a server that does not answer must not hold up the others.
        with self._locks.setdefault(bucket, threading.Lock()):
            found, until = self._known.get(bucket, (None, 0.0))
            if found is None or self.clock() > until:
                found = probe(self.client, bucket)
                self._keep(bucket, found, UNKNOWN_FOR_S if found.sent else math.inf)
            return replace(ALL, quoted=found.quoted) if self.mode == "always" else found

    def refused(self, bucket: str) -> None:
        """Note that the server of BUCKET refuses conditions as such, which no probe could find out."""
        self._keep(bucket, NONE, math.inf)

    def forget(self, bucket: str) -> None:
        """Have BUCKET asked again: the server is another than it was."""
        self._known.pop(bucket, None)

    def _keep(self, bucket: str, found: Manners, for_s: float) -> None:
        self._known[bucket] = (found, self.clock() + for_s)
        if self._told.get(bucket) != found:
            self._told[bucket] = found
            self.tell(bucket, found)


def is_refusal_of_condition(fault: ClientError) -> bool:
    """Tell whether a server answered a request that had a condition in the way of those that take none."""
    status = fault.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    is_other = s3.code_of(fault) in s3.REFUSALS.keys() | _MOMENTARY
    return status in {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_IMPLEMENTED} and not is_other


def probe(client: "S3Client", bucket: str) -> Manners:
    """Find out which conditions BUCKET keeps, on an object that is made for this and deleted at the end.

    Where that object cannot be made nothing is known. Raises ClientError for refusals of the credential or the bucket,
    and for what may pass (5xx, throttling), and BotoCoreError where S3 does not answer.
    """
    key = f"{s3.OWN_FOLDER}{uuid.uuid4().hex}"
    put = partial(client.put_object, Bucket=bucket, Key=key, Body=_BODY)
    if _ask(put) is not _Answer.DONE:
        return UNKNOWN
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
        if code in s3.REFUSALS or code in _MOMENTARY or status in _MOMENTARY_STATUSES:
            raise
        # botocore has asked three times by now. A server that fails at each condition, and at no request without one,
        # would else be probed for ever.
        if status == HTTPStatus.INTERNAL_SERVER_ERROR and not condition:
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
