"""Answers to requests that never reach the application: problem documents, as the application would send them.

Gunicorn itself answers with HTML pages.
"""

import json
import uuid
from collections.abc import Mapping
from http import HTTPStatus

from gunicorn.http import errors

from chassis.web.problems import CONTENT_TYPE, RETRY_AFTER_S, type_of
from gateway import browsers
from gateway.door.client import HeadTooSlowError

_STATUSES: dict[type[BaseException], HTTPStatus] = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    errors.UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
    errors.InvalidResponseHeader: HTTPStatus.INTERNAL_SERVER_ERROR,  # type: ignore[attr-defined] # newer than its stubs
    errors.ParseException: HTTPStatus.BAD_REQUEST,
    HeadTooSlowError: HTTPStatus.REQUEST_TIMEOUT,
}
# The others are named as their status is.
_CODES = {
    HTTPStatus.BAD_REQUEST: "malformed-request",
    HTTPStatus.REQUEST_URI_TOO_LONG: "uri-too-long",
    HTTPStatus.INTERNAL_SERVER_ERROR: "internal-error",
}


def status_of(fault: BaseException) -> HTTPStatus:
    """Return the status for `fault`; 500 if it is none of the request."""
    kinds = (_STATUSES[kind] for kind in type(fault).__mro__ if kind in _STATUSES)
    return next(kinds, HTTPStatus.INTERNAL_SERVER_ERROR)


def of_request(fault: BaseException) -> bytes:
    """Return the answer to a request that could not be read because of `fault`, after which the connection ends."""
    status = status_of(fault)
    code = _CODES.get(status, status.phrase.lower().replace(" ", "-"))
    return _answer(status, code, status.description or "The request cannot be read.", {})


def of_connection() -> bytes:
    """Return the answer to whoever connects while all connections are in use."""
    detail = "All connections are in use. Try again in a moment."
    return _answer(HTTPStatus.SERVICE_UNAVAILABLE, "service-unavailable", detail, {"Retry-After": str(RETRY_AFTER_S)})


def _answer(status: HTTPStatus, code: str, detail: str, headers: Mapping[str, str]) -> bytes:
    request_id = str(uuid.uuid4())  # the client's id was not read
    document = {
        "type": type_of(code),
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        "instance": "/",  # nor was the path, and so no prefix is known
        "code": code,
        "request_id": request_id,
    }
    body = json.dumps(document).encode()
    all_headers = {
        "Connection": "close",
        "Cache-Control": "no-store",
        **browsers.HEADERS,
        "X-Request-ID": request_id,
        "Content-Type": CONTENT_TYPE,
        "Content-Length": str(len(body)),
        **headers,
    }
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in all_headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
