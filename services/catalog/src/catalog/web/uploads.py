"""The views of uploads: the signed form, the signed PUT, and what the gateway takes in one request."""

from collections.abc import Callable

from flask import Blueprint, Response, jsonify, request

from catalog import use_cases
from catalog.adapters.store import Store
from catalog.errors import UnacceptableKeyError, UploadsOffError
from catalog.uploads import CONTENT_TYPES, Uploads, check_filename, name_of, type_of
from catalog.web import presentation, schemas
from catalog.web.context import app, created, make_once
from chassis.idempotency import HEADER, read_key
from chassis.tokens import Principal
from chassis.web import bodies, json_provider
from chassis.web.access import caller
from chassis.web.idempotency import Part, repeat_of
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


@routes.post("/signed-put")
def sign_put() -> Response:
    """Hand out a URL to which one image of a known size is sent straight to S3."""
    principal = caller()
    body = bodies.read(request, schemas.SignedPut)
    uploads = _uploads()
    if body.bytes > uploads.max_bytes:
        detail = f"A file may have {uploads.max_bytes} bytes."
        raise InvalidFieldsError([FieldFault(pointer="/bytes", code="too-large", detail=detail)])

    def hand_out(store: Store) -> Response:
        return jsonify(s3_key=f"{use_cases.hand_out_prefix(store, principal, app().limits)}/{body.filename}")

    answer = make_once(hand_out)
    # The URL is not kept: a repeat gets the same key, and a URL that is valid for another ten minutes.
    s3_key = answer.get_json()["s3_key"]
    signed = uploads.sign_sized_put(s3_key, body.content_type or type_of(body.filename), body.bytes)
    answer.set_data(json_provider.encode(signed))
    return answer


@routes.get("/upload")
def allow_upload() -> Response:
    """Tell how large a file may be that the caller uploads, if they may upload any."""
    if HEADER in request.headers:
        read_key(request.headers[HEADER])  # before the file is sent, and not after it
    uploads = _uploads()
    app().database.read(use_cases.may_upload, caller(), app().limits)
    return jsonify(max_bytes=uploads.max_bytes)


@routes.post("/upload")
def upload() -> Response:
    """Hand out where the gateway puts a file; with `s3_key`, register what it has put there.

    If the request is a repeat, both give the answer of the first time.
    """
    principal = caller()
    body = bodies.read(request, schemas.Upload)
    uploads, part = _uploads(), Part(None, body.asked)
    if body.s3_key is None:
        known = repeat_of(app().database, app().kept, part)
        if known is not None:
            return known
        prefix = app().database.transact(use_cases.begin_upload, principal, body.collection, app().limits)
        return jsonify(uploads.sign_put(f"{prefix}/{name_of(body.filename)}", body.content_type))
    s3_key = body.s3_key

    def register(store: Store) -> Response:
        image = use_cases.register_upload(
            store,
            principal,
            app().buckets,
            s3_bucket=uploads.bucket,
            s3_key=s3_key,
            title=body.title,
            description=body.description,
            collection=body.collection,
            limits=app().limits,
        )
        return created(presentation.private_image(image, app().buckets, principal.username))

    return make_once(register, part)


def _uploads() -> Uploads:
    uploads = app().uploads
    if uploads is None:
        raise UploadsOffError
    return uploads


def _form(prefix_for: Callable[[Principal], str]) -> Response:
    principal = caller()
    filename, content_type = _parameters()
    return jsonify(_uploads().sign(prefix_for(principal), filename, content_type))


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
