"""The route table: every public path, the service that answers it, and its path there. Nothing else is forwarded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from gateway import api_keys

Service = Literal["auth", "catalog"]

_PAGING = ("limit", "cursor")
_SEARCH = ("status", "q", "collection", "content_type", "created_after", "created_before", "sort", "sha256")


@dataclass(frozen=True)
class Route:
    """A path at the gateway (`rule`, in Werkzeug's notation) and the path at `service` that answers it (`target`).

    The parameters of the path become query parameters there, so that no client can choose which route of a service is
    called; `name` makes the ones from the other. `query` lists the query parameters that reading takes, `delete_query`
    those that DELETE takes; others are never forwarded. `items` is the list in the body of a POST that asks for several
    things at once, each of which counts for the limits of a user. `head_target` answers HEAD where GET at `target`
    changes something. `completed_by` is the service, and the path there, that knows more of the use and limits of a
    user. An upload is no request that is forwarded, but one about which the service at `target` is asked, first by GET,
    then by POST.
    """

    rule: str
    methods: tuple[str, ...]
    service: Service
    target: str
    public: bool = False
    query: tuple[str, ...] = ()
    delete_query: tuple[str, ...] = ()
    name: Callable[[Mapping[str, str]], Mapping[str, str]] = dict
    head_target: str | None = None
    completed_by: tuple[Service, str] | None = None
    is_upload: bool = False
    items: str | None = None

    def query_of(self, method: str) -> tuple[str, ...]:
        """Return the names of the query parameters that a request with `method` may have."""
        if method == "DELETE":
            return self.delete_query
        return self.query if method in {"GET", "HEAD"} or self.is_upload else ()


def _api_key(parameters: Mapping[str, str]) -> Mapping[str, str]:
    return api_keys.name(parameters["key"])


# Where pages for people begin. The names of collections have no dots, so that no page is where a feed is.
PAGE_FOLDERS = ("/i/", "/c/")
PAGES = (
    Route("/i/<key:s3_key>", ("GET",), "catalog", "/public/image", public=True),
    Route("/c/<segment:name>", ("GET",), "catalog", "/public/collection", public=True, query=_PAGING),
    Route("/c/<segment:name>.atom", ("GET",), "catalog", "/public/collection/newest", public=True, query=_PAGING),
    Route("/c/<segment:name>/<key:s3_key>", ("GET",), "catalog", "/public/collection/image", public=True),
)
# It asks for an image or a collection, by an address of their pages.
OEMBED = Route(
    "/api/oembed", ("GET",), "catalog", "/public/image", public=True, query=("url", "maxwidth", "maxheight", "format")
)

ROUTES = (
    Route("/api/i/<key:s3_key>", ("GET",), "catalog", "/public/image", public=True),
    Route("/api/c/<segment:name>", ("GET",), "catalog", "/public/collection", public=True, query=_PAGING),
    Route("/api/api-keys", ("GET", "POST"), "auth", "/api-keys", query=_PAGING),
    Route("/api/api-keys/<segment:key>", ("GET", "PUT", "DELETE"), "auth", "/api-key", name=_api_key),
    Route("/api/api-keys/<segment:key>/rotation", ("POST",), "auth", "/api-key/rotation", name=_api_key),
    Route("/api/collections", ("GET", "POST"), "catalog", "/collections", query=_PAGING),
    Route("/api/collections/<segment:name>", ("GET", "PUT", "DELETE"), "catalog", "/collection", query=_PAGING),
    Route(
        "/api/collections/<segment:name>/images",
        ("GET", "POST"),
        "catalog",
        "/collection/images",
        query=_PAGING,
        items="s3_keys",
    ),
    Route(
        "/api/collections/<segment:name>/images/<key:s3_key>", ("GET", "PUT", "DELETE"), "catalog", "/collection/image"
    ),
    Route("/api/images", ("GET", "POST"), "catalog", "/images", query=(*_PAGING, *_SEARCH)),
    Route("/api/images/batch", ("POST",), "catalog", "/batch", items="operations"),
    Route("/api/images/<key:s3_key>", ("GET", "PUT", "DELETE"), "catalog", "/image", delete_query=("original",)),
    Route(
        "/api/signed-post",
        ("GET",),
        "catalog",
        "/signed-post",
        query=("filename", "content_type"),
        head_target="/signed-post-sample",
    ),
    Route("/api/signed-put", ("POST",), "catalog", "/signed-put"),
    Route("/api/stats", ("GET",), "catalog", "/stats"),
    Route("/api/uploads", ("POST",), "catalog", "/upload", is_upload=True),
    Route(
        "/api/uploads/<segment:filename>",
        ("PUT",),
        "catalog",
        "/upload",
        query=("title", "description", "collection", "wait"),
        is_upload=True,
    ),
    Route("/api/users/<segment:username>", ("GET", "PUT"), "auth", "/user", completed_by=("catalog", "/use")),
)
