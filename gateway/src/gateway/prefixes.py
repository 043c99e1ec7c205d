"""The path prefix under which a proxy serves the gateway, such as `/pics` in `https://host/pics/api/…`.

A configured prefix is removed from the path of a request if the proxy has left it there. A prefix from the header
`X-Forwarded-Prefix` is never removed: proxies that send the header have removed it, and a client that smuggled the
header in could otherwise choose which part of the path is routed.

The services do not know the prefix, so that the entity tags, which they compute, do not depend on it. The gateway puts
it before every `uri`, `Location`, `Link` and `instance` of an answer, and before the `type` of a problem.
"""

import json
import re
from typing import TYPE_CHECKING, Any

from flask import has_request_context, request

from chassis.web import problems

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

HEADER = "X-Forwarded-Prefix"
_ENVIRON = "imghost.prefix"
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_LONGEST = 200


def check(prefix: str) -> str:
    """Return `prefix` if it is an absolute path that can stand before our paths; else raise `ValueError`."""
    segments = prefix.split("/")[1:]
    if not _PREFIX.fullmatch(prefix) or len(prefix) > _LONGEST or {".", ".."} & set(segments):
        raise ValueError(
            "must begin with a slash, not end with one, and have letters, digits and ._~- between slashes, as /pics"
        )
    if segments[0] == "api":
        raise ValueError("must not begin with /api: nobody could tell such a prefix from the path behind it")
    return prefix


def forwarded(header: str) -> str:
    """Return the prefix that the nearest proxy names in an X-Forwarded-Prefix header, empty if it is invalid."""
    try:
        return check(header.rpartition(",")[2].strip().rstrip("/"))
    except ValueError:
        return ""


def set_current(environ: "WSGIEnvironment", prefix: str) -> None:
    """Set the prefix for the answer to the request of `environ`."""
    environ[_ENVIRON] = prefix


def remove(prefix: str, path: str) -> str:
    """Return `path` without `prefix`, if it begins with it."""
    return path.removeprefix(prefix) if path.startswith(f"{prefix}/") else path


def of(environ: "WSGIEnvironment") -> str:
    """Return the prefix for the answer to the request of `environ`, empty if there is none."""
    return str(environ.get(_ENVIRON, ""))


def current() -> str:
    """Return the prefix of the current request, empty if there is none."""
    return of(request.environ) if has_request_context() else ""


def add_to_body(body: bytes, prefix: str) -> bytes:
    """Return the JSON document of a service with `prefix` before each address in it."""
    if not prefix or not body:
        return body

    def add_to_members(members: dict[str, Any]) -> dict[str, Any]:
        is_problem = str(members.get("type")).startswith(problems.PAGES)
        addresses = ("uri", "instance", "type") if is_problem else ("uri", "instance")
        return members | {name: prefix + members[name] for name in addresses if name in members}

    document = json.loads(body, object_hook=add_to_members)
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def add_to_header(name: str, value: str) -> str:
    """Return the value of a service's header `name`, with the current prefix before the path that it may contain."""
    match name:
        case "Location":
            return current() + value
        case "Link":
            return value.replace("</", f"<{current()}/", 1)
        case _:
            return value
