"""Paths as they were sent: routed while still percent-encoded, then each parameter decoded exactly once.

A WSGI server decodes the path before routing, which makes `/api%2Fi/a` a route and `%252F` in a key a slash two
services later. Here Werkzeug routes the raw text, so that only what was meant as a separator is one.
"""

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote_from_bytes, unquote_to_bytes

from werkzeug.routing import BaseConverter

from gateway import prefixes
from gateway.errors import MalformedPathError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_ABSOLUTE_FORM = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?]*")
_PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F))


class SegmentConverter(BaseConverter):
    """One raw segment of a path."""

    regex = "[^/]+"


class KeyConverter(BaseConverter):
    """An S3 key at the end of a path: everything that is left, slashes included."""

    regex = ".+"
    part_isolating = False


class RawPaths:
    """WSGI middleware that hands on the path as the client sent it, in ASCII, instead of a decoded one.

    PREFIX is that of the settings, which the path is freed of; TOLD gives the one that a trusted proxy tells of.
    """

    def __init__(
        self, app: "WSGIApplication", prefix: str = "", told: "Callable[[WSGIEnvironment], str]" = lambda _: ""
    ) -> None:
        self._app = app
        self._prefix = prefix
        self._told = told

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Replace PATH_INFO by the raw path; a proxy's absolute form loses its scheme and host."""
        path = _ABSOLUTE_FORM.sub("", environ["RAW_URI"], count=1).partition("?")[0]
        path = prefixes.take_off(self._prefix, path) if self._prefix else path
        prefixes.keep(environ, self._prefix or self._told(environ))
        environ["SCRIPT_NAME"] = ""
        environ["HTTP_HOST"] = "gateway"  # what a client calls this host decides nothing, and builds nothing
        if path.startswith("//"):  # Werkzeug would take both slashes for one
            path = "/%2F" + path[2:]
        environ["PATH_INFO"] = quote_from_bytes(path.encode("latin-1"), safe=_PRINTABLE) or "/"
        return self._app(environ, start_response)


def decode(raw: str) -> str:
    """Decode the percent-encoding of a path's parameter, once; raises MalformedPathError, for NUL as well."""
    try:
        text = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise MalformedPathError from None
    if "\0" in text:  # no name has one, and PostgreSQL would raise
        raise MalformedPathError
    return text
