"""Problem documents (RFC 9457): the form of every error answer, with a stable code for clients."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from flask import Flask, Response, current_app, json, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from chassis import request_ids

log = structlog.get_logger(__name__)

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_S = 2
# Below it, at the gateway, each code has a page for people.
PAGES = "/api/problems/"


class FieldFault(dict[str, str]):
    """One fault of a request: `code`, `detail`, and `pointer` (JSON pointer into the body) or `parameter` (query)."""


class InvalidFieldsError(Exception):
    """Fields of the body or query parameters are missing, unknown, of a wrong type or out of range."""

    code = "invalid-fields"

    def __init__(self, faults: list[FieldFault]) -> None:
        super().__init__("; ".join(f"{f.get('pointer', f.get('parameter', ''))}: {f['detail']}" for f in faults))
        self.faults = faults


def type_of(code: str) -> str:
    """Return the `type` of problems with `code`: the path of a page that says what it means and what to do."""
    return PAGES + code


def response(status: int, code: str, detail: str, headers: Mapping[str, str] | None = None, **members: Any) -> Response:
    """Return an answer whose body is a problem document: `code` is for programs, `detail` for people.

    `members` are added to the document.
    """
    shown_path = current_app.extensions["shown_path"]
    document = {
        "type": shown_path(type_of(code)),
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": shown_path(request.path),
        "code": code,
        "request_id": request_ids.current(),
        **members,
    }
    answer = Response(json.dumps(document), status, content_type=CONTENT_TYPE)
    answer.headers.update(headers or {})
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        answer.headers.setdefault("Retry-After", str(RETRY_AFTER_S))
    return answer


def install(app: Flask, statuses: Mapping[type[Exception], int]) -> None:
    """Turn every error that leaves a view of `app` into a problem document.

    `statuses` is the one table of an application from classes of errors to HTTP statuses; it holds for their subclasses
    too. The text of an error is the detail and its `code` the code. Its `headers`, further `members` of the document,
    and the `field` of the body that is at fault with its `field_code`, are used if it has them. An error that is not
    listed is a defect: it is logged with its traceback and answered with 500.
    """

    def refuse(fault: Exception) -> Response:
        status = next(statuses[kind] for kind in type(fault).__mro__ if kind in statuses)
        code = getattr(fault, "code", "error")
        field, field_code = getattr(fault, "field", None), getattr(fault, "field_code", code)
        faults = {"errors": [FieldFault(pointer=f"/{field}", code=field_code, detail=str(fault))]} if field else {}
        members = {**faults, **getattr(fault, "members", {})}
        return response(status, code, str(fault), getattr(fault, "headers", {}), **members)

    def refuse_fields(fault: InvalidFieldsError) -> Response:
        return response(HTTPStatus.UNPROCESSABLE_ENTITY, fault.code, str(fault), errors=fault.faults)

    def refuse_http(fault: HTTPException) -> Response:
        status = fault.code or HTTPStatus.INTERNAL_SERVER_ERROR
        headers = {}
        if isinstance(fault, MethodNotAllowed) and fault.valid_methods:
            headers["Allow"] = ", ".join(sorted(fault.valid_methods))
        code = HTTPStatus(status).phrase.lower().replace(" ", "-")
        return response(status, code, HTTPStatus(status).description or HTTPStatus(status).phrase, headers)

    def fail(fault: Exception) -> Response:
        log.error("request failed", exc_info=fault)
        detail = "The service failed; the fault is logged under the request id."
        return response(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", detail)

    for kind in statuses:
        app.register_error_handler(kind, refuse)
    app.register_error_handler(InvalidFieldsError, refuse_fields)
    app.register_error_handler(HTTPException, refuse_http)
    app.register_error_handler(Exception, fail)
