"""CORS and caching: any web page may read public answers, and caches may keep them for a while; no others.

Browsers are told what `gateway.browsers` says: text that a user has written must not become a page or a script.
"""

from collections.abc import Sequence

from flask import Flask, Response, request

from gateway import browsers

PUBLIC_PREFIXES = ("/api/i/", "/api/c/", "/api/openapi.json")
METHODS = "GET, HEAD, OPTIONS"
SHOWN_TO_ALL = "ETag, Link, X-Request-ID"


def install(app: Flask, max_age_s: int, varies: Sequence[str] = ()) -> None:
    """Add CORS and Cache-Control headers, and those for browsers, to every answer of `app`, to problem documents too.

    `varies` names request headers that answers depend on, so that caches keep the answers apart.
    """

    @app.after_request
    def add_headers(answer: Response) -> Response:
        public = request.path.startswith(PUBLIC_PREFIXES)
        if public:
            answer.headers["Access-Control-Allow-Origin"] = "*"
            answer.headers["Access-Control-Expose-Headers"] = SHOWN_TO_ALL
        if "Cache-Control" not in answer.headers:
            fresh = public and answer.status_code in {200, 304}
            answer.headers["Cache-Control"] = f"public, max-age={max_age_s}" if fresh else "no-store"
        for name, value in browsers.HEADERS.items():
            answer.headers.setdefault(name, value)
        answer.vary.update(varies)
        return answer


def preflight(**_raw: str) -> Response:
    """Answer an OPTIONS request for a public resource."""
    answer = Response(status=204)
    answer.headers["Allow"] = METHODS
    answer.headers["Access-Control-Allow-Methods"] = METHODS
    answer.headers["Access-Control-Allow-Headers"] = "If-None-Match, X-Request-ID"
    answer.headers["Access-Control-Max-Age"] = "86400"
    return answer
