"""HTML and XML from templates: whatever strangers have written is text there, and nothing else.

All of it is escaped, and characters that neither HTML nor XML can hold are replaced. The policy of a page lets it load
our own script and style, pictures from where its own pictures lie, and nothing else.
"""

import hashlib
import re
from collections.abc import Iterable
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from flask import Response
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from gateway import origins, prefixes

ASSETS = {
    "pages.css": "text/css; charset=utf-8",
    "pages.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
TEMPLATES = ("layout.html", "image.html", "collection.html", "error.html", "feed.xml", "parts.html")
HTML, ATOM = "text/html; charset=utf-8", "application/atom+xml; charset=utf-8"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_FOLDER = files("gateway").joinpath("page")
# Control characters, surrogates, and what Unicode promises never to assign.
_UNFIT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(f"{chr(plane * 0x10000 + 0xFFFE)}{chr(plane * 0x10000 + 0xFFFF)}" for plane in range(17))
    + "]"
)


def fit(text: str) -> str:
    """Return `text` with what neither HTML nor XML can hold replaced."""
    return _UNFIT.sub(REPLACEMENT, text.replace("\r\n", "\n"))


def _finalize(value: Any) -> Any:
    return fit(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _read(name: str) -> str:
    return _FOLDER.joinpath(name).read_text(encoding="utf-8")


_ENVIRONMENT = Environment(
    loader=FunctionLoader(_read),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_finalize,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
# Raised by itself with each release that makes other pages of the same answers.
VERSION = hashlib.sha256("".join(_read(name) for name in (*TEMPLATES, *ASSETS)).encode()).hexdigest()


def asset(name: str) -> bytes:
    """Return the file `name` of `ASSETS`."""
    return _FOLDER.joinpath(name).read_bytes()


def render(template: str, content_type: str = HTML, pictures: Iterable[str] = (), **values: Any) -> Response:
    """Return the answer that `template` makes of `values`; it may show pictures from the servers of `pictures`."""
    body = _ENVIRONMENT.get_template(template).render(prefix=prefixes.current(), **values)
    return Response(body, content_type=content_type, headers={"Content-Security-Policy": policy(pictures)})


def policy(pictures: Iterable[str] = ()) -> str:
    """Return the policy of a page that shows pictures with the addresses `pictures`."""
    found = {origin for picture in pictures if (origin := _origin(picture)) is not None}
    sources = " ".join(["'self'", *sorted(found)])
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {sources}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _origin(url: str) -> str | None:
    """Return where `url` leads as a policy names it, None if it is no address of HTTP."""
    try:
        parts = urlsplit(url)
        return origins.check(f"{parts.scheme}://{parts.netloc}")
    except ValueError:
        return None
