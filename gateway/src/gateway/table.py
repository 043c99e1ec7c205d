"""The route table: every path of the contract, who answers it, and under which name there. There is no catch-all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from gateway import api_keys

Service = Literal["auth", "catalog"]


@dataclass(frozen=True)
class Route:
    """A path at the gateway (RULE, parameters in Werkzeug's notation) and what it is at SERVICE (TARGET).

    Parameters become query parameters there, so that nothing of a client's can change which route is called. NAME
    makes them of the decoded ones. QUERY names those that the client's own query may have beside those of paging.
    """

    rule: str
    methods: tuple[str, ...]
    service: Service
    target: str
    public: bool = False
    query: tuple[str, ...] = ()
    name: Callable[[Mapping[str, str]], Mapping[str, str]] = dict


def _api_key(parameters: Mapping[str, str]) -> Mapping[str, str]:
    return api_keys.name(parameters["key"])


ROUTES = (
    Route("/api/i/<key:s3_key>", ("GET",), "catalog", "/public/image", public=True),
    Route("/api/c/<segment:name>", ("GET",), "catalog", "/public/collection", public=True),
    Route("/api/api-keys", ("GET", "POST"), "auth", "/api-keys"),
    Route("/api/api-keys/<segment:key>", ("GET", "PUT", "DELETE"), "auth", "/api-key", name=_api_key),
    Route("/api/collections", ("GET", "POST"), "catalog", "/collections"),
    Route("/api/collections/<segment:name>", ("GET", "DELETE"), "catalog", "/collection"),
    Route("/api/collections/<segment:name>/images", ("GET",), "catalog", "/collection/images"),
    Route(
        "/api/collections/<segment:name>/images/<key:s3_key>", ("GET", "PUT", "DELETE"), "catalog", "/collection/image"
    ),
    Route("/api/images", ("GET", "POST"), "catalog", "/images"),
    Route("/api/images/<key:s3_key>", ("GET", "PUT", "DELETE"), "catalog", "/image"),
    Route("/api/signed-post", ("GET",), "catalog", "/signed-post", query=("filename", "content_type")),
    Route("/api/users/<segment:username>", ("GET", "PUT"), "auth", "/user"),
)
