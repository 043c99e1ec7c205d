"""The console, a page for people who sign in: its files are read at start and served from memory.

It uses the API as every other client does, and gets from elsewhere nothing but pictures.
"""

from collections.abc import Sequence
from importlib.resources import files

from flask import Blueprint, Response, abort

from gateway.web.static_answers import StaticAnswer

_CONTENT_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml; charset=utf-8",
}


def policy(picture_origins: Sequence[str]) -> str:
    """Return the Content-Security-Policy of the page, which shows pictures of `picture_origins` and uploads to them.

    It runs no script but those of the console, and none of these can turn a text into HTML (Trusted Types): a title or
    a file's name that somebody else has chosen stays a text.
    """
    pictures = " ".join(["'self'", *picture_origins])
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {pictures}; connect-src {pictures}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def console(max_age_s: int, picture_origins: Sequence[str]) -> Blueprint:
    """Return the routes of the page and its parts, which caches may keep for `max_age_s` seconds."""
    routes = Blueprint("console", __name__)
    caching = {"Cache-Control": f"public, max-age={max_age_s}"}
    folder = files("gateway").joinpath("console")
    page = StaticAnswer(
        folder.joinpath("index.html").read_bytes(),
        "text/html; charset=utf-8",
        caching | {"Content-Security-Policy": policy(picture_origins)},
    )
    assets = {
        file.name: StaticAnswer(file.read_bytes(), _CONTENT_TYPES[kind], caching)
        for file in folder.iterdir()
        if (kind := file.name.rpartition(".")[2]) in _CONTENT_TYPES
    }

    @routes.get("/", provide_automatic_options=False)
    def show_page() -> Response:
        return page.present()

    @routes.get("/console/<asset>", provide_automatic_options=False)
    def show_asset(asset: str) -> Response:
        return assets[asset].present() if asset in assets else abort(404)

    return routes
