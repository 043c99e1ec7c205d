"""What every view of catalog starts from: the application, and the names in the query."""

from flask import current_app, request

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
