"""What the framework itself costs: Flask answering a constant of so many bytes, `/<bytes>`, under gunicorn's gevent."""

from functools import cache

from flask import Flask, Response

app = Flask(__name__, static_folder=None)


@cache
def _body(size: int) -> bytes:
    return b"x" * size


@app.get("/<int:size>")
def constant(size: int) -> Response:
    """Return so many bytes."""
    return Response(_body(size), content_type="application/json")
