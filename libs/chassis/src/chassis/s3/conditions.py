"""Conditional PUT and DELETE: each process finds out once per bucket which conditions the server keeps.

S3 specifies `If-None-Match: *` and `If-Match`. Some servers ignore them silently, some refuse them, and some want the
entity tag of `If-Match` without quotes. The probe tries them on an object that it writes for this purpose.
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
_TRANSIENT_CODES = {"RequestTimeout", "OperationAborted", "SlowDown"}
_TRANSIENT_STATUSES = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}


@dataclass(frozen=True)
class KeptConditions:
    """Which conditions a server keeps, that is, obeys.

    They are those of a PUT of a new key, of a PUT over a known object, and of a DELETE of a known object.

    `quoted` says whether `If-Match` takes the entity tag in quotes, as the standard demands. If the probe was refused
    nothing is known: then conditions are `sent` all the same, since they do no harm, but not relied on.
    """

    creations: bool
    overwrites: bool
    deletions: bool
    quoted: bool = True
    sent: bool = False

    def unkept(self) -> list[str]:
        """Return the names of the requests whose conditions are not known to be kept."""
        named = {"creating": self.creations, "overwriting": self.overwrites, "deleting": self.deletions}
        return [name for name, kept in named.items() if not kept]

    def if_absent(self) -> dict[str, str]:
        """Return the condition for a PUT of a new key, empty if none is to be sent."""
        return {"IfNoneMatch": "*"} if self.creations or self.sent else {}

    def if_unchanged(self, etag: str) -> dict[str, str]:
        """Return the condition for a PUT over the object with `etag`; empty if none is to be sent, or no `etag`."""
        return {"IfMatch": self._form(etag)} if (self.overwrites or self.sent) and etag else {}

    def if_undeleted(self, etag: str) -> dict[str, str]:
        """Return the condition for a DELETE of the object with `etag`; empty if none is to be sent, or no `etag`."""
        return {"IfMatch": self._form(etag)} if (self.deletions or self.sent) and etag else {}

    def _form(self, etag: str) -> str:
        return s3.quoted(etag) if self.quoted else s3.bare(etag)


ALL = KeptConditions(creations=True, overwrites=True, deletions=True)
NONE = KeptConditions(creations=False, overwrites=False, deletions=False)
UNKNOWN = replace(NONE, sent=True)
# A probe that was refused is repeated after this time: a permission may be granted, or a server repaired.
PROBE_AGAIN_S = 600.0


@dataclass
class Conditions:
    """What the servers of `client` do with conditions, by bucket. Threads may share it.

    The mode "auto" uses the conditions that a probe found kept, "always" all of them, and "never" none, without a
    probe. `report` is called with what a probe found, once per bucket unless a later one finds something else.
    """

    client: "S3Client"
    mode: Mode
    report: Callable[[str, KeptConditions], None]
    clock: Callable[[], float] = time.monotonic
    _known: dict[str, tuple[KeptConditions, float]] = field(default_factory=dict, init=False)
    _reported: dict[str, KeptConditions] = field(default_factory=dict, init=False)
    _locks: dict[str, threading.Lock] = field(default_factory=dict, init=False)

    def of(self, bucket: str) -> KeptConditions:
        """Return what the server of `bucket` does, by a probe at the first call.

        Errors of botocore pass through if a retry may help; else nothing is known of the bucket for a while.
        """
        if self.mode == "never":
            return NONE
        # One lock per bucket: a server that does not answer must not delay work on other buckets.
        with self._locks.setdefault(bucket, threading.Lock()):
            found, until = self._known.get(bucket, (None, 0.0))
            if found is None or self.clock() > until:
                found = probe(self.client, bucket)
                self._keep(bucket, found, PROBE_AGAIN_S if found.sent else math.inf)
            return replace(ALL, quoted=found.quoted) if self.mode == "always" else found

    def refused(self, bucket: str) -> None:
        """Record that the server of `bucket` refuses requests with conditions, though the probe did not show it."""
        self._keep(bucket, NONE, math.inf)

    def forget(self, bucket: str) -> None:
        """Have `bucket` probed again: its server does not behave as it did."""
        self._known.pop(bucket, None)

    def _keep(self, bucket: str, found: KeptConditions, for_s: float) -> None:
        self._known[bucket] = (found, self.clock() + for_s)
        if self._reported.get(bucket) != found:
            self._reported[bucket] = found
            self.report(bucket, found)


def is_refusal_of_condition(fault: ClientError) -> bool:
    """Return True if a request with a condition was refused as servers do that do not support conditions."""
    status = fault.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    is_other = s3.code_of(fault) in s3.REFUSALS.keys() | _TRANSIENT_CODES
    return status in {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_IMPLEMENTED} and not is_other


def probe(client: "S3Client", bucket: str) -> KeptConditions:
    """Find out which conditions the server of `bucket` keeps, with an object that is written and deleted for it.

    If that object cannot be written, nothing is known. Raise `ClientError` for refusals of the credential or the bucket
    and for errors that may be over soon (5xx, throttling), and `BotoCoreError` if S3 does not answer.
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
    return KeptConditions(creations, overwrites, deletions, quoted=form is s3.quoted)


class _Answer(Enum):
    DONE = auto()
    CONDITION_FAILED = auto()
    REFUSED = auto()


def _deletes_on_condition(client: "S3Client", bucket: str, key: str, form: Callable[[str], str]) -> bool:
    """Return True if a DELETE fails with a wrong entity tag, and succeeds with that of the object."""
    delete = partial(client.delete_object, Bucket=bucket, Key=key)
    if _ask(delete, IfMatch=form(_NO_ETAG)) is not _Answer.CONDITION_FAILED:
        return False
    etag = _etag(client, bucket, key)
    return bool(etag) and _ask(delete, IfMatch=form(etag)) is _Answer.DONE


def _ask(request: Callable[..., Any], **condition: str) -> _Answer:
    """Send `request` with `condition`. Let errors pass that may be over soon, or that an operator can remove."""
    try:
        request(**condition)
    except ClientError as fault:
        code, status = s3.code_of(fault), fault.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in s3.CONDITION_FAILED:
            return _Answer.CONDITION_FAILED
        if code in s3.REFUSALS or code in _TRANSIENT_CODES or status in _TRANSIENT_STATUSES:
            raise
        # With a condition, an error 500 counts as a refusal: botocore has tried three times by now, and a server that
        # fails at each condition, but at no other request, would be probed again and again.
        if status == HTTPStatus.INTERNAL_SERVER_ERROR and not condition:
            raise
        return _Answer.REFUSED
    return _Answer.DONE


def _etag(client: "S3Client", bucket: str, key: str) -> str:
    """Return the entity tag of the probe's object; empty, with which no condition holds, if it cannot be read."""
    try:
        found = s3.look(client, bucket, key)
    except ClientError as fault:
        if s3.code_of(fault) not in s3.DENIED:
            raise
        found = None
    return found.etag if found else ""
