"""CORS and caching: any web page may read public answers, and caches may keep them for a while; no others.

Browsers are told what `gateway.browsers` says: text that a user has written must not become a page or a script.
"""

import math
from collections.abc import Sequence

from flask import Flask, Response, request

from chassis.web.observation import took_s
from gateway import browsers
from gateway.table import PAGE_FOLDERS
from gateway.web.public_answers import FRESH_S

PUBLIC_PREFIXES = ("/api/i/", "/api/c/", "/api/openapi.json", "/api/oembed")
_CACHED_PREFIXES = (*PUBLIC_PREFIXES, *PAGE_FOLDERS)
METHODS = "GET, HEAD, OPTIONS"
SHOWN_TO_ALL = "ETag, Link, X-Request-ID"
# For how many seconds the cache of an nginx in front may keep an answer: it goes before Cache-Control, and ends there.
PROXY_MAX_AGE = "X-Accel-Expires"


def install(app: Flask, max_age_s: int, varies: Sequence[str] = (), *, is_behind_proxy: bool = False) -> None:
    """Add CORS and Cache-Control headers, and those for browsers, to every answer of `app`, to problem documents too.

    `varies` names request headers that answers depend on, so that caches keep the answers apart. If the gateway
    `is_behind_proxy`, public answers tell an nginx in front how long it may keep them.
    """

    @app.after_request
    def add_headers(answer: Response) -> Response:
        public = request.path.startswith(PUBLIC_PREFIXES)
        if public:
            answer.headers["Access-Control-Allow-Origin"] = "*"
            answer.headers["Access-Control-Expose-Headers"] = SHOWN_TO_ALL
        if "Cache-Control" not in answer.headers:
            fresh = request.path.startswith(_CACHED_PREFIXES) and answer.status_code in {200, 304}
            answer.headers["Cache-Control"] = f"public, max-age={max_age_s}" if fresh else "no-store"
            if fresh and is_behind_proxy:
                answer.headers[PROXY_MAX_AGE] = str(proxy_max_age_s(max_age_s, took_s()))
        for name, value in browsers.HEADERS.items():
            answer.headers.setdefault(name, value)
        answer.vary.update(varies)
        return answer


def proxy_max_age_s(max_age_s: int, took_s: float) -> int:
    """Return for how many seconds nginx may keep an answer that has taken `took_s`, to be gone after `max_age_s`.

    What it tells may have changed while it was made, or while it was in memory here; and nginx keeps answers for up to
    a second longer than it is told, since it counts whole seconds.
    """
    return max(0, math.floor(max_age_s - 1 - max(took_s, FRESH_S)))


def preflight(**_raw: str) -> Response:
    """Answer an OPTIONS request for a public resource."""
    answer = Response(status=204)
    answer.headers["Allow"] = METHODS
    answer.headers["Access-Control-Allow-Methods"] = METHODS
    answer.headers["Access-Control-Allow-Headers"] = "If-None-Match, X-Request-ID"
    answer.headers["Access-Control-Max-Age"] = "86400"
    return answer
