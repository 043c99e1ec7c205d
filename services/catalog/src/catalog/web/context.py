"""What every view of catalog starts from: the application, the caller, and the names in the query."""

from flask import current_app, request

from catalog.bootstrap import App
from catalog.domain import COLLECTION_NAME
from catalog.errors import CollectionNotFoundError, ImageNotFoundError
from catalog.keys import is_acceptable_key
from chassis import tokens
from chassis.tokens import Principal

AUDIENCE = "catalog"


def app() -> App:
    """Return what the views work with."""
    found: App = current_app.extensions["imghost"]
    return found


def caller() -> Principal:
    """Return who calls, by the token that the gateway passed on. Raise `TokenRefusedError`."""
    return tokens.verify(app().token_public_key, AUDIENCE, request.headers.get("Authorization"))


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
