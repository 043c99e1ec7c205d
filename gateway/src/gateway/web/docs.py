"""The OpenAPI document and a page that shows it, read at start and served from memory; the page loads nothing else."""

import json
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml
from flask import Blueprint, Response, abort

from gateway import prefixes
from gateway.web.public import preflight
from gateway.web.static_answers import StaticAnswer

# `data:` is for the icons in the style sheet of Swagger UI.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS = {"Content-Security-Policy": POLICY}
SHIPPED_ASSETS = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
}
OWN_ASSETS = {
    "docs.css": "text/css; charset=utf-8",
    "docs.js": "text/javascript; charset=utf-8",
    "problems.css": "text/css; charset=utf-8",  # of the pages of problems
}


def document() -> dict[str, Any]:
    """Return the OpenAPI document. Parameters of a path are moved into its operations, where Swagger UI shows them."""
    text = files("gateway").joinpath("openapi.yaml").read_text(encoding="utf-8")
    parsed: dict[str, Any] = yaml.safe_load(text)
    for path in parsed["paths"].values():
        shared = path.pop("parameters", [])
        for operation in path.values():
            operation["parameters"] = [*shared, *operation.get("parameters", [])]
    return parsed


def documentation(max_age_s: int) -> Blueprint:
    """Return the routes of the document and its page, which caches may keep for `max_age_s` seconds."""
    routes = Blueprint("documentation", __name__)
    caching = {"Cache-Control": f"public, max-age={max_age_s}"}
    own, shipped = files("gateway").joinpath("page"), files("flask_swagger_ui").joinpath("dist")
    described = document()

    @lru_cache(maxsize=8)
    def openapi(prefix: str) -> StaticAnswer:
        served = described | {"servers": [{**described["servers"][0], "url": prefix or "/"}]}
        body = json.dumps(served, ensure_ascii=False, separators=(",", ":")).encode()
        return StaticAnswer(body, "application/json", caching)

    openapi("")  # at start rather than at the first request
    page = StaticAnswer(own.joinpath("docs.html").read_bytes(), "text/html; charset=utf-8", caching | PAGE_HEADERS)
    assets = {
        name: StaticAnswer(folder.joinpath(name).read_bytes(), content_type, caching)
        for folder, names in ((own, OWN_ASSETS), (shipped, SHIPPED_ASSETS))
        for name, content_type in names.items()
    }

    @routes.get("/api/openapi.json", provide_automatic_options=False)
    def show_openapi() -> Response:
        return openapi(prefixes.current()).present()

    routes.add_url_rule("/api/openapi.json", "preflight", preflight, methods=["OPTIONS"])

    @routes.get("/api/docs", provide_automatic_options=False)
    def show_page() -> Response:
        return page.present()

    @routes.get("/api/docs/<asset>", provide_automatic_options=False)
    def show_asset(asset: str) -> Response:
        return assets[asset].present() if asset in assets else abort(404)

    return routes
