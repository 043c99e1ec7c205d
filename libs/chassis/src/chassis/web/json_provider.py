"""JSON of our applications: as the standard library writes it without spaces, in a tenth of the time."""

from typing import Any

import orjson
from flask import Response
from flask.json.provider import DefaultJSONProvider


class JsonProvider(DefaultJSONProvider):
    """Writes with orjson. What clients send is read by the standard library, which takes integers of any size."""

    def dumps(self, obj: Any, **_kwargs: Any) -> str:
        """Return `obj` as JSON, its members in their order. Raise `TypeError` for what JSON does not know."""
        return orjson.dumps(obj).decode()

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """Return the answer whose body is the arguments as JSON, as `flask.jsonify` describes them."""
        return Response(encode(self._prepare_response_obj(args, kwargs)), mimetype=self.mimetype)


def encode(document: Any) -> bytes:
    """Return `document` as the body of an answer. Raise `TypeError` for what JSON does not know."""
    return orjson.dumps(document) + b"\n"
