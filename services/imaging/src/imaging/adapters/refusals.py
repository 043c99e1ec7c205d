"""Buckets for which S3 refuses every request: logged once, and tried again by one job from time to time."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from chassis.s3 import client as s3
from imaging import metrics
from imaging.errors import BucketRefusedError

log = structlog.get_logger(__name__)

ASK_AGAIN_S = 5.0


@dataclass
class Refusals:
    """The buckets that S3 refuses. Threads may share it."""

    clock: Callable[[], float] = time.monotonic
    _codes: dict[str, str] = field(default_factory=dict, init=False)
    _next: dict[str, float] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def check(self, bucket: str) -> None:
        """Raise `BucketRefusedError` if `bucket` is refused; every ASK_AGAIN_S one caller may pass, to try S3 again."""
        with self._lock:
            code = self._codes.get(bucket)
            if code is None:
                return
            if self.clock() < self._next[bucket]:
                raise BucketRefusedError(bucket, code)
            self._next[bucket] = self.clock() + ASK_AGAIN_S

    def refused(self, bucket: str, code: str) -> None:
        """Note that S3 refuses `bucket` with `code`. Log it the first time, and when the code changes."""
        with self._lock:
            known, self._codes[bucket] = self._codes.get(bucket), code
            self._next[bucket] = self.clock() + ASK_AGAIN_S
            if known == code:
                return
            if known is not None:
                metrics.REFUSED.remove(bucket, known)
            metrics.REFUSED.labels(bucket, code).set(1)
        log.error("S3 refuses a bucket, its jobs wait", s3_bucket=bucket, code=code, meaning=s3.REFUSALS.get(code, ""))

    def accepted(self, bucket: str) -> None:
        """Note that S3 has answered a request on `bucket`, whatever it said of the object."""
        if bucket not in self._codes:
            return
        with self._lock:
            code = self._codes.pop(bucket, None)
            if code is None:
                return
            metrics.REFUSED.remove(bucket, code)
        log.info("S3 takes a bucket again", s3_bucket=bucket)

    def all(self) -> Mapping[str, str]:
        """Return the code of each bucket that is refused."""
        with self._lock:
            return dict(self._codes)
