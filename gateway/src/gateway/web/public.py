"""What browsers and caches are told: public answers may be read by any page and kept for a while, others by nobody."""

from collections.abc import Sequence

from flask import Flask, Response, request

PUBLIC_PREFIXES = ("/api/i/", "/api/c/", "/api/openapi.json")
METHODS = "GET, HEAD, OPTIONS"


def install(app: Flask, max_age_s: int, varies: Sequence[str] = ()) -> None:
    """Add CORS and Cache-Control headers to every answer of APP, to refusals too.

    VARIES names the headers of requests that answers depend on: no cache may take one's answer for another's.
    """

    @app.after_request
    def tell(answer: Response) -> Response:
        public = request.path.startswith(PUBLIC_PREFIXES)
        if public:
            answer.headers["Access-Control-Allow-Origin"] = "*"
            answer.headers["Access-Control-Expose-Headers"] = "ETag, Link, X-Request-ID"
        if "Cache-Control" not in answer.headers:
            fresh = public and answer.status_code in {200, 304}
            answer.headers["Cache-Control"] = f"public, max-age={max_age_s}" if fresh else "no-store"
        answer.vary.update(varies)
        return answer


def preflight(**_raw: str) -> Response:
    """Answer OPTIONS of a public resource."""
    answer = Response(status=204)
    answer.headers["Allow"] = METHODS
    answer.headers["Access-Control-Allow-Methods"] = METHODS
    answer.headers["Access-Control-Allow-Headers"] = "If-None-Match, X-Request-ID"
    answer.headers["Access-Control-Max-Age"] = "86400"
    return answer
