"""The view of the signed upload form."""

from flask import Blueprint, Response, jsonify

from catalog.domain import UploadsOffError
from catalog.uploads import hand_out_prefix
from catalog.web.context import app, caller

routes = Blueprint("uploads", __name__)


@routes.get("/signed-post")
def sign_post() -> Response:
    """Hand out a form that uploads one image straight to S3."""
    principal = caller()
    uploads = app().uploads
    if uploads is None:
        raise UploadsOffError
    return jsonify(uploads.sign(app().database.transact(hand_out_prefix, principal)))
