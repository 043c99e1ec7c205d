"""The view of the signed upload form."""

from collections.abc import Callable

from flask import Blueprint, Response, jsonify, request

from catalog import use_cases
from catalog.errors import UnacceptableKeyError, UploadsOffError
from catalog.uploads import CONTENT_TYPES, check_filename
from catalog.web.context import app
from chassis.tokens import Principal
from chassis.web.access import caller
from chassis.web.problems import FieldFault, InvalidFieldsError

routes = Blueprint("uploads", __name__)


@routes.get("/signed-post")
def sign_post() -> Response:
    """Hand out a form that uploads one image straight to S3."""
    return _form(lambda principal: app().database.transact(use_cases.hand_out_prefix, principal, app().limits))


@routes.get("/signed-post-sample")
def sign_sample() -> Response:
    """Return a form like those that are handed out, for the headers of HEAD; nothing is recorded."""
    return _form(lambda principal: app().database.read(use_cases.sample_prefix, principal))


def _form(prefix_for: Callable[[Principal], str]) -> Response:
    principal = caller()
    filename, content_type = _parameters()
    uploads = app().uploads
    if uploads is None:
        raise UploadsOffError
    return jsonify(uploads.sign(prefix_for(principal), filename, content_type))


def _parameters() -> tuple[str | None, str | None]:
    """Read `filename` and `content_type` of the query. Raise `InvalidFieldsError`."""
    faults = [
        FieldFault(parameter=name, code="given-twice", detail="Give it once.")
        for name in ("filename", "content_type")
        if len(request.args.getlist(name)) > 1
    ]
    filename, content_type = request.args.get("filename"), request.args.get("content_type")
    try:
        if filename is not None:
            check_filename(filename)
    except UnacceptableKeyError as fault:
        faults.append(FieldFault(parameter="filename", code=fault.code, detail=f"{fault}."))
    accepted = sorted({*CONTENT_TYPES.values()})
    if content_type is not None and content_type not in accepted:
        detail = f"Must be one of {', '.join(accepted)}."
        faults.append(FieldFault(parameter="content_type", code="unsupported-format", detail=detail))
    if faults:
        raise InvalidFieldsError(faults)
    return filename, content_type
