"""What the views of catalog have in common: the application, the names in the query, the answer to a creation."""

from typing import Any

from flask import Response, current_app, jsonify, request

from catalog.bootstrap import App
from catalog.domain import COLLECTION_NAME
from catalog.errors import CollectionNotFoundError, ImageNotFoundError
from catalog.keys import is_acceptable_key


def app() -> App:
    """Return what the views work with."""
    found: App = current_app.extensions["imghost"]
    return found


def named_key() -> str:
    """Return the S3 key in the path. Raise `ImageNotFoundError` if no image can have it."""
    key = request.args["s3_key"]
    if not is_acceptable_key(key):
        raise ImageNotFoundError
    return key


def named_collection() -> str:
    """Return the name of a collection in the path. Raise `CollectionNotFoundError` if none can have it."""
    name = request.args["name"]
    if not COLLECTION_NAME.fullmatch(name):
        raise CollectionNotFoundError
    return name


def created(document: dict[str, Any]) -> Response:
    """Return the answer that tells of a new resource: its representation is `document`."""
    answer = jsonify(document)
    answer.status_code = 201
    answer.location = document["uri"]
    return answer
