"""What the views of catalog have in common: the application, names in the query, how changes are made and answered."""

from collections.abc import Callable
from typing import Any

from flask import Response, current_app, jsonify, request

from catalog.adapters.store import Store
from catalog.bootstrap import App
from catalog.domain import COLLECTION_NAME
from catalog.errors import CollectionNotFoundError, ImageNotFoundError
from catalog.keys import is_acceptable_key
from chassis.web import etags
from chassis.web.idempotency import Part, once

# What makes a change, which returns the answer to it, in one transaction.
Make = Callable[[Callable[[Store], Response]], Response]
# What raises `StaleError` unless the client expects something with this entity tag, or None, nothing.
Match = Callable[[str | None], None]


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


def make_once(change: Callable[[Store], Response], part: Part | None = None) -> Response:
    """Make a `change` that a POST asks for, or a `part` of it, however often the request is sent."""
    return once(app().database, app().kept, change, part=part)


def match_of_request(etag: str | None) -> None:
    """Raise `StaleError` if the request has an `If-Match` that does not name `etag`."""
    etags.require_match(request, etag)
