"""Putting a spooled file into S3, by an address that catalog has signed: the gateway itself has no credential."""

import time
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

import gevent
import structlog

from chassis.errors import DependencyDownError
from gateway.spool import SpooledFile

log = structlog.get_logger(__name__)

# Of one step: connecting, a part of the file, the answer.
STEP_TIMEOUT_S = 20.0
ATTEMPTS = 3
_PAUSE_S = 0.5
_MOST_READ = 64 * 1024


def put(url: str, headers: Mapping[str, str], file: SpooledFile, timeout_s: float) -> None:
    """Put `file` to `url`, again if S3 does not answer: nobody else writes there.

    Raise `DependencyDownError` if S3 does not take it within `timeout_s`.
    """
    timeout = gevent.Timeout(timeout_s)
    reason = "no answer in time"
    try:
        with timeout:
            for attempt in range(ATTEMPTS):
                if attempt:
                    time.sleep(_PAUSE_S * 2**attempt)
                try:
                    status = _put_once(url, headers, file)
                except (OSError, HTTPException) as fault:
                    reason = f"{type(fault).__name__}: {fault}"
                    continue
                if status == HTTPStatus.OK:
                    return
                reason = f"status {status}"
                if status < HTTPStatus.INTERNAL_SERVER_ERROR:
                    break
    except gevent.Timeout as fault:
        if fault is not timeout:
            raise
    log.error("S3 does not take an upload", error=reason, server=urlsplit(url).netloc)
    raise DependencyDownError("S3", reason)


def _put_once(url: str, headers: Mapping[str, str], file: SpooledFile) -> int:
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=STEP_TIMEOUT_S)
    try:
        sent = {**headers, "Content-Length": str(file.size)}
        connection.request("PUT", f"{parts.path}?{parts.query}", file.parts(), sent)
        answer = connection.getresponse()
        answer.read(_MOST_READ)
        return answer.status
    finally:
        connection.close()
