"""Pages of other sites: they use nothing by credentials that a browser remembers, unless the operator names them.

Pages of the origins that the operator names may use the private API from scripts (CORS), with credentials that the
scripts themselves send.
"""

from collections.abc import Collection

from flask import Flask, Response, request
from werkzeug.exceptions import MethodNotAllowed

from gateway import origins, paths
from gateway.errors import CrossSiteRequestError
from gateway.table import ROUTES
from gateway.web.public import PUBLIC_PREFIXES

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
# Where GET changes something, HEAD is answered at another place.
_CHANGED_BY_GET = {route.rule for route in ROUTES if route.head_target is not None}
_PRIVATE = {route.rule for route in ROUTES if not route.public}
SENT_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-ID"
SHOWN_HEADERS = "ETag, Idempotency-Replayed, Link, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-ID"


def install(app: Flask, allowed: Collection[str]) -> None:
    """Refuse what pages of other origins than `allowed` ask for with Basic credentials; let the others read.

    A page could not read the answer, but each of its images would be a request of the person, up to their limits. A
    link that a person follows passes if it changes nothing. It is decided before auth is asked, and before the body is
    read. A Bearer token passes: no browser adds one by itself.
    """

    @app.before_request
    def decide() -> Response | None:
        origin = request.headers.get("Origin", "")
        if origin in allowed:
            return _preflight() if request.method == "OPTIONS" and _is_private(request.path) else None
        scheme = request.headers.get("Authorization", "").partition(" ")[0].lower()
        if request.url_rule is None or request.url_rule.rule not in _PRIVATE or scheme != "basic":
            return None
        if not _changes(request.method, request.url_rule.rule) and _is_followed_link():
            return None
        if origins.is_foreign(origin, paths.sent_host(request.environ), request.headers.get("Sec-Fetch-Site", "")):
            raise CrossSiteRequestError
        return None

    @app.after_request
    def let_read(answer: Response) -> Response:
        if allowed and _is_private(request.path):
            answer.vary.add("Origin")
            if request.headers.get("Origin") in allowed:
                answer.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
                answer.headers["Access-Control-Expose-Headers"] = SHOWN_HEADERS
        return answer


def _changes(method: str, rule: str) -> bool:
    """Return whether a request with `method` to the route `rule` may change something."""
    return method not in SAFE_METHODS or (method == "GET" and rule in _CHANGED_BY_GET)


def _is_followed_link() -> bool:
    """Return whether the browser shows the answer as a page of its own, in no frame of another one (Fetch Metadata)."""
    return request.headers.get("Sec-Fetch-Dest") == "document"


def _is_private(path: str) -> bool:
    return path.startswith("/api/") and not path.startswith(PUBLIC_PREFIXES)


def _preflight() -> Response | None:
    """Answer an OPTIONS request for a private resource; return None if there is no such route."""
    refused = request.routing_exception
    if not isinstance(refused, MethodNotAllowed):
        return None
    methods = ", ".join([*sorted(refused.valid_methods or ()), "OPTIONS"])
    answer = Response(status=204)
    answer.headers["Allow"] = methods
    answer.headers["Access-Control-Allow-Methods"] = methods
    answer.headers["Access-Control-Allow-Headers"] = SENT_HEADERS
    answer.headers["Access-Control-Max-Age"] = "86400"
    return answer
