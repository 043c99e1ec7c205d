"""CORS and caching: any web page may read public answers, and caches may keep them for a while; no others.

Browsers are told what `gateway.browsers` says: text that a user has written must not become a page or a script.
"""

import math
from collections.abc import Sequence
from http import HTTPStatus

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


class PublicHeaders:
    """The headers for CORS, caches and browsers.

    Caches may keep public answers for `max_age_s`. `varies` names request headers that answers depend on, so that
    caches keep the answers apart. If the gateway `is_behind_proxy`, public answers tell an nginx in front how long it
    may keep them.
    """

    def __init__(self, max_age_s: int, varies: Sequence[str] = (), *, is_behind_proxy: bool = False) -> None:
        self._max_age_s = max_age_s
        self._varies = varies
        self._is_behind_proxy = is_behind_proxy

    def of(self, path: str, status: int, took_s: float) -> dict[str, str]:
        """Return the headers of the answer with `status` at `path` that has taken `took_s`, but for `Vary`."""
        headers = dict(browsers.HEADERS)
        if path.startswith(PUBLIC_PREFIXES):
            headers["Access-Control-Allow-Origin"] = "*"
            headers["Access-Control-Expose-Headers"] = SHOWN_TO_ALL
        fresh = path.startswith(_CACHED_PREFIXES) and status in {HTTPStatus.OK, HTTPStatus.NOT_MODIFIED}
        headers["Cache-Control"] = f"public, max-age={self._max_age_s}" if fresh else "no-store"
        if fresh and self._is_behind_proxy:
            headers[PROXY_MAX_AGE] = str(proxy_max_age_s(self._max_age_s, took_s))
        return headers

    @property
    def vary(self) -> str:
        """The value of `Vary`, empty if no answer depends on a header."""
        return ", ".join(self._varies)

    def install(self, app: Flask) -> None:
        """Add the headers to every answer of `app` that has none of its own, to problem documents too."""

        @app.after_request
        def add_headers(answer: Response) -> Response:
            headers = self.of(request.path, answer.status_code, took_s())
            if "Cache-Control" in answer.headers:
                headers.pop(PROXY_MAX_AGE, None)
            for name, value in headers.items():
                answer.headers.setdefault(name, value)
            answer.vary.update(self._varies)
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
