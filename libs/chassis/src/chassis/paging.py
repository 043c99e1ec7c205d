"""Keyset paging: a page is what comes after a cursor; a cursor is opaque and good for the list that gave it only."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode

from flask import Request, Response

from chassis.problems import FieldFault, InvalidFieldsError

MAX_LIMIT = 1000

Item = TypeVar("Item")
Position = tuple[str, str]


@dataclass(frozen=True)
class Page:
    """What part of a list is asked for: at most LIMIT items, those after the POSITION (None: from the start)."""

    limit: int
    position: Position | None


def requested(request: Request, scope: str) -> Page:
    """Read `limit` and `cursor` of REQUEST; SCOPE names the list, so that a cursor from elsewhere is refused.

    Raises InvalidFieldsError: an unacceptable limit or cursor is refused, never clamped.
    """
    faults = [
        FieldFault(parameter=name, code="given-twice", detail="Give it once.")
        for name in ("limit", "cursor")
        if len(request.args.getlist(name)) > 1
    ]
    limit_text = request.args.get("limit", str(MAX_LIMIT))
    limit = int(limit_text) if limit_text.isascii() and limit_text.isdecimal() and len(limit_text) <= 4 else 0  # noqa: PLR2004
    if not 1 <= limit <= MAX_LIMIT:
        faults.append(FieldFault(parameter="limit", code="out-of-range", detail=f"Must be 1 to {MAX_LIMIT}."))
    position = None
    if "cursor" in request.args:
        position = _decode(request.args["cursor"], scope)
        if position is None:
            detail = "Not a cursor of this list; take it from the Link header of a page."
            faults.append(FieldFault(parameter="cursor", code="unknown-cursor", detail=detail))
    if faults:
        raise InvalidFieldsError(faults)
    return Page(limit, position)


def cut(
    items: Sequence[Item], page: Page, position_of: Callable[[Item], Position]
) -> tuple[Sequence[Item], Position | None]:
    """Cut ITEMS, fetched with one more than the limit, to PAGE; also give the position to go on from, if any."""
    if len(items) <= page.limit:
        return items, None
    shown = items[: page.limit]
    return shown, position_of(shown[-1])


def link_next(answer: Response, path: str, page: Page, scope: str, following: Position | None) -> None:
    """Add `Link: <PATH?…>; rel="next"` (RFC 8288) to ANSWER if the list goes on at FOLLOWING."""
    if following is not None:
        query = urlencode({"limit": page.limit, "cursor": _encode(following, scope)})
        answer.headers["Link"] = f'<{path}?{query}>; rel="next"'


def _encode(position: Position, scope: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([scope, *position]).encode()).decode().rstrip("=")


def _decode(cursor: str, scope: str) -> Position | None:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        document = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        return None
    match document:
        case [given, str(first), str(second)] if given == scope and _encode((first, second), scope) == cursor:
            return first, second
    return None
