"""Keyset paging: a page holds the items after a cursor, which is opaque, and valid only for the list it comes from."""

import base64
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from flask import Request, Response, jsonify, request

from chassis.web.problems import FieldFault, InvalidFieldsError

MAX_LIMIT = 1000

Item = TypeVar("Item")
Place = TypeVar("Place")
Position = tuple[str, ...]
Moment = tuple[datetime, str]

_ID = re.compile(r"[a-z0-9-]{1,36}")


@dataclass(frozen=True)
class Page(Generic[Place]):
    """The part of a list that is requested: at most `limit` items, those after a place (None: from the start)."""

    limit: int
    after: Place | None


def moment_and_id(position: Position) -> Moment:
    """Return the place in a list ordered by time and id. Raise `ValueError` if `position` is none."""
    moment, item_id = position
    place = datetime.fromisoformat(moment)
    if place.tzinfo is None or not _ID.fullmatch(item_id):
        raise ValueError("not a place in such a list")
    return place, item_id


def serial(position: Position) -> int:
    """Return the place in a list ordered by a serial number. Raise `ValueError` if `position` is none."""
    (number,) = position
    if not (number.isascii() and number.isdecimal() and len(number) <= 18):  # noqa: PLR2004 - fits into 64 bits
        raise ValueError("not a place in such a list")
    return int(number)


def requested(request: Request, scope: str, read: Callable[[Position], Place]) -> Page[Place]:
    """Return the page that `limit` and `cursor` of `request` ask for; `read` turns a position into a place.

    `scope` names the list, so that a cursor of another list is refused. Raise `InvalidFieldsError` for an unacceptable
    limit or cursor; a limit is never clamped.
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
    after = None
    if "cursor" in request.args:
        try:
            after = read(_decode(request.args["cursor"], scope))
        except (ValueError, RecursionError):
            detail = "Not a cursor of this list; take it from the Link header of a page."
            faults.append(FieldFault(parameter="cursor", code="unknown-cursor", detail=detail))
    if faults:
        raise InvalidFieldsError(faults)
    return Page(limit, after)


def newest_first(
    path: str,
    scope: str,
    fetch: Callable[[int, Moment | None], Sequence[Item]],
    place_of: Callable[[Item], Moment],
    present: Callable[[Item], dict[str, Any]],
) -> Response:
    """Answer the current request with the requested page of a list that is ordered by time and id, newest first.

    `fetch` is called with a limit and a place (None: the start), and returns the items after it; `place_of` returns the
    place of an item. `path` is that of the list at the gateway, for the link to the next page. Raise
    `InvalidFieldsError` as `requested` does.
    """
    page = requested(request, scope, moment_and_id)

    def position_of(item: Item) -> Position:
        moment, item_id = place_of(item)
        return moment.isoformat(), item_id

    shown, following = cut(fetch(page.limit + 1, page.after), page, position_of)
    answer = jsonify([present(item) for item in shown])
    link_next(answer, path, page, scope, following)
    return answer


def cut(
    items: Sequence[Item], page: Page[Place], position_of: Callable[[Item], Position]
) -> tuple[Sequence[Item], Position | None]:
    """Return the items of `page`, and the position where the next page begins, None if there is none.

    `items` are one more than the limit of the page, if there are so many.
    """
    if len(items) <= page.limit:
        return items, None
    shown = items[: page.limit]
    return shown, position_of(shown[-1])


def link_next(answer: Response, path: str, page: Page[Place], scope: str, following: Position | None) -> None:
    """Add `Link: <path?…>; rel="next"` (RFC 8288) to `answer` unless `following`, the next position, is None."""
    if following is not None:
        query = urlencode({"limit": page.limit, "cursor": _encode(following, scope)})
        answer.headers["Link"] = f'<{path}?{query}>; rel="next"'


def _encode(position: Position, scope: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([scope, *position]).encode()).decode().rstrip("=")


def _decode(cursor: str, scope: str) -> Position:
    padded = cursor + "=" * (-len(cursor) % 4)
    document = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    match document:
        case [given, *position] if given == scope and all(isinstance(part, str) for part in position):
            return tuple(position)
    raise ValueError("a cursor of another list")
