"""Paths: routed as they were sent, still percent-encoded; then each parameter is decoded exactly once.

A WSGI server decodes the path before routing. Then `/api%2Fi/a` would be a route, and `%252F` in a key would be a slash
two services later. Here Werkzeug routes the raw text, so that only a slash that was sent as a slash separates segments.
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
_SENT_HOST = "imghost.host"
_PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F))


class SegmentConverter(BaseConverter):
    """One segment of a raw path."""

    regex = "[^/]+"


class KeyConverter(BaseConverter):
    """An S3 key at the end of a raw path: the rest of it, slashes included."""

    regex = ".+"
    part_isolating = False


class RawPaths:
    """WSGI middleware that replaces the decoded path by the raw one that the client sent.

    `prefix` is the configured path prefix, which is removed from the path. Without one, `forwarded_prefix` returns the
    prefix that a trusted proxy names in a header, and has removed itself.
    """

    def __init__(
        self,
        app: "WSGIApplication",
        prefix: str = "",
        forwarded_prefix: "Callable[[WSGIEnvironment], str]" = lambda _: "",
    ) -> None:
        self._app = app
        self._prefix = prefix
        self._forwarded_prefix = forwarded_prefix

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Set PATH_INFO to the raw path; of a whole URL, as proxies may send it, scheme and host are dropped."""
        path = _ABSOLUTE_FORM.sub("", environ["RAW_URI"], count=1).partition("?")[0]
        path = prefixes.remove(self._prefix, path) if self._prefix else path
        prefixes.set_current(environ, self._prefix or self._forwarded_prefix(environ))
        environ["SCRIPT_NAME"] = ""
        environ[_SENT_HOST] = environ.get("HTTP_HOST", "")
        environ["HTTP_HOST"] = "gateway"  # the client's Host header has no effect, on routes or on links
        if path.startswith("//"):  # Werkzeug would merge the two slashes
            path = "/%2F" + path[2:]
        environ["PATH_INFO"] = quote_from_bytes(path.encode("latin-1"), safe=_PRINTABLE) or "/"
        return self._app(environ, start_response)


def sent_host(environ: "WSGIEnvironment") -> str:
    """Return the Host header that the client sent, empty if it sent none."""
    return str(environ.get(_SENT_HOST, ""))


def decode(raw: str) -> str:
    """Return a parameter of a raw path, decoded once. Raise `MalformedPathError` if it is not UTF-8, or has NUL."""
    try:
        text = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise MalformedPathError from None
    if "\0" in text:  # no name contains it, and PostgreSQL would raise an error
        raise MalformedPathError
    return text
