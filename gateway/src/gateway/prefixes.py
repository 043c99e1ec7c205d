"""The path that the gateway is served under, as `/pics` where it is `https://host/pics/api/…`.

A proxy before the gateway may take the prefix of the settings off a request's path or leave it on: it is taken off if
it is there. A prefix that only a header tells of is not, since proxies that tell it have taken it off: a client that
smuggled the header past one would have paths of its own choice routed.

The services know nothing of it, so that an entity tag, which they make, is the same by whichever way it was read: the
prefix is put before every `uri`, `Location`, `Link` and `instance` on the way out.
"""

import json
import re
from typing import TYPE_CHECKING, Any

from flask import has_request_context, request

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

HEADER = "X-Forwarded-Prefix"
_ENVIRON = "imghost.prefix"
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_LONGEST = 200


def check(prefix: str) -> str:
    """Give PREFIX back; raises ValueError unless it is an absolute path that could stand before ours."""
    segments = prefix.split("/")[1:]
    if not _PREFIX.fullmatch(prefix) or len(prefix) > _LONGEST or {".", ".."} & set(segments):
        raise ValueError(
            "must begin with a slash, not end with one, and have letters, digits and ._~- between slashes, as /pics"
        )
    if segments[0] == "api":
        raise ValueError("must not begin with /api: nobody could tell such a prefix from the path behind it")
    return prefix


def forwarded(header: str) -> str:
    """Give the prefix that the nearest proxy names in X-Forwarded-Prefix; none if that is no prefix."""
    try:
        return check(header.rpartition(",")[2].strip().rstrip("/"))
    except ValueError:
        return ""


def keep(environ: "WSGIEnvironment", prefix: str) -> None:
    """Keep PREFIX for what is answered to ENVIRON."""
    environ[_ENVIRON] = prefix


def take_off(prefix: str, path: str) -> str:
    """Give PATH without PREFIX, which it may have lost already."""
    return path.removeprefix(prefix) if path.startswith(f"{prefix}/") else path


def current() -> str:
    """Give the prefix of the request that is being answered; empty where there is none."""
    return str(request.environ.get(_ENVIRON, "")) if has_request_context() else ""


def put_on_body(body: bytes) -> bytes:
    """Put the current prefix before each `uri` in a JSON document of a service."""
    prefix = current()
    if not prefix or not body:
        return body

    def put_on(members: dict[str, Any]) -> dict[str, Any]:
        return {**members, "uri": prefix + members["uri"]} if "uri" in members else members

    document = json.loads(body, object_hook=put_on)
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def put_on_header(name: str, value: str) -> str:
    """Put the current prefix before the path in a header of a service, where NAME is one that holds a path."""
    match name:
        case "Location":
            return current() + value
        case "Link":
            return value.replace("</", f"<{current()}/", 1)
        case _:
            return value
