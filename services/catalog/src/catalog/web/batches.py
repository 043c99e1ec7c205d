"""Several operations in one request: each in a transaction of its own, with the answer that it would have by itself.

An operation is carried out by the same function as a request for it alone. When the time is over, or the answer is
large, those that are left are not begun, and say so.
"""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

import orjson
from flask import Blueprint, Response, current_app, request
from werkzeug.http import parse_etags

from catalog import use_cases
from catalog.errors import NotBegunError, TooManyBatchesError
from catalog.web import collections, images, presentation, schemas
from catalog.web.access import REGISTER, WRITE
from catalog.web.context import Make, Match, app, make_once, named_collection
from chassis import deadlines
from chassis.idempotency import HEADER, read_key
from chassis.web import access, bodies, etags, json_provider
from chassis.web.access import Rule, caller
from chassis.web.app import MAX_BATCH_BYTES
from chassis.web.idempotency import Part, is_repeat
from chassis.web.problems import FieldFault, InvalidFieldsError

MOST_ANSWER_BYTES = 4 * 1024 * 1024
# For the way back of the answer, which nobody would see after the deadline.
SPARE_S = 2.0
OPERATIONS: Mapping[str, type[schemas.Operation]] = {
    "register": schemas.Register,
    "change": schemas.Change,
    "delete": schemas.Delete,
    "add": schemas.Add,
    "remove": schemas.Remove,
}
# What each of them is called where it is a request of its own, and who may do it.
_RULES: Mapping[str, tuple[str, Rule]] = {
    "register": ("POST /images", REGISTER),
    "change": ("PUT /image", WRITE),
    "delete": ("DELETE /image", WRITE),
    "add": ("PUT /collection/image", WRITE),
    "remove": ("DELETE /collection/image", WRITE),
}

routes = Blueprint("batches", __name__)


@routes.post("/batch")
def carry_out_batch() -> Response:
    """Carry out operations on images and members of collections, in their order."""
    request.max_content_length = MAX_BATCH_BYTES
    return _carry_out_all(bodies.read(request, schemas.Batch).operations, "/api/images/batch#/operations")


@routes.post("/collection/images")
def put_members() -> Response:
    """Put several images into a collection, in their order."""
    name = named_collection()
    request.max_content_length = MAX_BATCH_BYTES
    keys = bodies.read(request, schemas.NewMembers).s3_keys
    app().database.read(use_cases.own_collection, caller(), name)
    operations = [{"op": "add", "collection": name, "s3_key": key} for key in keys]
    return _carry_out_all(operations, f"{presentation.collection_uri(name)}/images#/s3_keys")


def _carry_out_all(operations: Sequence[dict[str, Any]], address: str) -> Response:
    """Return the results of `operations`, which the request names at `address`.

    Raise `MalformedKeyError` or `TooManyBatchesError`.
    """
    if HEADER in request.headers:
        read_key(request.headers[HEADER])  # if it is none, it is so for all of them
    if not app().batches.acquire(blocking=False):
        raise TooManyBatchesError
    try:
        spare_s = min(SPARE_S, deadlines.left_s() / 4)
        results, size, goes_on = [], 0, True
        for number, fields in enumerate(operations):
            goes_on = goes_on and size < MOST_ANSWER_BYTES and deadlines.left_s() > spare_s
            answer = _carry_out(number, fields) if goes_on else _refusal(NotBegunError())
            # What does not answer now would keep each of the others waiting.
            goes_on = goes_on and answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE
            results.append(_result(answer, f"{address}/{number}"))
            size += len(answer.get_data())
        return Response(json_provider.encode({"results": results}), mimetype="application/json")
    finally:
        app().batches.release()


def _carry_out(number: int, fields: dict[str, Any]) -> Response:
    """Return the answer to one operation, a problem document if it is refused or fails."""
    op = str(fields.get("op"))
    try:
        operation = _read(op, fields)
        content = json.dumps(fields, sort_keys=True).encode()
        return _do(operation, partial(make_once, part=Part(number, content)))
    except Exception as fault:  # noqa: BLE001 - handled as that of a request of its own: a defect is logged
        answer = _refusal(fault)
        if answer.status_code == HTTPStatus.FORBIDDEN:
            access.note_refusal(_RULES[op][0], answer.get_json()["code"])
        return answer


def _read(op: str, fields: dict[str, Any]) -> schemas.Operation:
    """Return the operation with the name `op`. Raise `InsufficientScopeError` or `InvalidFieldsError`."""
    if op not in OPERATIONS:
        detail = f"Must be one of {', '.join(OPERATIONS)}."
        raise InvalidFieldsError([FieldFault(pointer="/op", code="unknown-operation", detail=detail)])
    access.require(_RULES[op][1])
    return bodies.validate(OPERATIONS[op], fields)


def _do(operation: schemas.Operation, make: Make) -> Response:
    match operation:
        case schemas.Register():
            return images.register(operation, make)
        case schemas.Change():
            return images.change(operation.s3_key, operation, _match(operation), make)
        case schemas.Delete():
            return images.delete(operation.s3_key, _match(operation), make, takes_original=operation.original)
        case schemas.Add():
            return collections.put(operation.collection, operation.s3_key, operation, _match(operation), make)
        case schemas.Remove():
            return collections.remove(operation.collection, operation.s3_key, _match(operation), make)


def _match(operation: schemas.OfImage) -> Match:
    """Return the check of what the client expects, in place of the header that a request of its own has."""
    if operation.if_match is None:
        return lambda _: None
    return partial(etags.require_one_of, parse_etags(operation.if_match))


def _refusal(fault: Exception) -> Response:
    """Return the problem document that answers `fault`, whichever it is."""
    return current_app.make_response(current_app.handle_user_exception(fault))


def _result(answer: Response, address: str) -> dict[str, Any]:
    """Return the result that tells of `answer`, the answer to the operation at `address`."""
    result: dict[str, Any] = {"status": answer.status_code}
    if answer.status_code >= HTTPStatus.BAD_REQUEST:
        return {**result, "problem": {**answer.get_json(), "instance": address}}
    if is_repeat(answer):
        result["replayed"] = True
    if etag := answer.headers.get("ETag"):
        result["etag"] = etag
    return {**result, "image": orjson.Fragment(answer.get_data())} if answer.get_data() else result
