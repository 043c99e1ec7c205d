"""Keyset paging: a page holds the items after a cursor, which is opaque, and valid only for the list it comes from.

A page ends at a number of items or at a number of bytes, so only a missing link to the next page ends a list.
"""

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

import orjson
from flask import Request, Response, current_app, request

from chassis.web.problems import FieldFault, InvalidFieldsError

MAX_LIMIT = 1000
PAGE_BYTES = 1024 * 1024

Item = TypeVar("Item")
Place = TypeVar("Place")
Position = tuple[str, ...]
Moment = tuple[datetime, str]

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LARGEST_NUMBER = 2**63 - 1


@dataclass(frozen=True)
class Order(Generic[Place]):
    """The order of a list, as its cursors have it.

    `write` returns a place in the list as texts. `read` returns the place that such texts name, and raises `ValueError`
    if they name none. A cursor counts only if `write` returns its very texts again, so `read` need not look for every
    other way to write the same.
    """

    write: Callable[[Place], Position]
    read: Callable[[Position], Place]


@dataclass(frozen=True)
class Listing(Generic[Place]):
    """A list: its `path` at the gateway, the `scope` that cursors name it by, and its order.

    A cursor of another scope is refused. `query` has what else the links to further pages have to say.
    """

    path: str
    scope: str
    order: Order[Place]
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Page(Generic[Place]):
    """The part of a list that is requested: at most `limit` items, those after a place (None: from the start)."""

    limit: int
    after: Place | None


def by_moment(is_id: Callable[[str], object]) -> Order[Moment]:
    """Return the order by time and id; `is_id` returns something true for a text that may be the id of an item."""

    def write(place: Moment) -> Position:
        moment, item_id = place
        return moment.isoformat(), item_id

    def read(position: Position) -> Moment:
        text, item_id = position
        moment = datetime.fromisoformat(text)
        # Databases convert a time to UTC, and one of the years 1 and 9999 may then be out of their range.
        if moment.utcoffset() != timedelta(0) or not is_id(item_id):
            raise ValueError("not a place in such a list")
        return moment, item_id

    return Order(write, read)


def is_uuid(text: str) -> bool:
    """Return whether `text` is a UUID as `str(uuid.uuid4())` writes it."""
    return _UUID.fullmatch(text) is not None


def _write_place(place: tuple[int, int]) -> Position:
    serial, shift = place
    return (str(serial), str(shift)) if shift else (str(serial),)


def _read_place(position: Position) -> tuple[int, int]:
    serial, shift = (int(text) for text in (position if len(position) > 1 else (*position, "0")))
    if not (1 <= serial <= _LARGEST_NUMBER and abs(shift) <= _LARGEST_NUMBER):
        raise ValueError("not a place in such a list")
    return serial, shift


BY_PLACE: Order[tuple[int, int]] = Order(_write_place, _read_place)
"""The order by a serial number, counted from 1, and among those with the same one by another; both have 64 bits."""


def requested(request: Request, listing: Listing[Place]) -> Page[Place]:
    """Return the page of `listing` that `limit` and `cursor` of `request` ask for.

    Raise `InvalidFieldsError` for an unacceptable limit or cursor; a limit is never clamped.
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
            after = _place_of(request.args["cursor"], listing)
        except (ValueError, RecursionError):
            detail = "Not a cursor of this list; take it from the Link header of a page."
            faults.append(FieldFault(parameter="cursor", code="unknown-cursor", detail=detail))
    if faults:
        raise InvalidFieldsError(faults)
    return Page(limit, after)


@dataclass(frozen=True)
class Filled(Generic[Place]):
    """What a page shows: its items as JSON with commas between, how many, and where the next page begins, if any."""

    items: bytearray
    count: int
    following: Place | None

    def enclosed(self, head: bytes = b"", tail: bytes = b"") -> Response:
        """Return the answer whose body is the array of the items between `head` and `tail`."""
        body = b"".join((head, b"[", self.items, b"]", tail, b"\n"))
        return Response(body, content_type=current_app.json.mimetype)  # type: ignore[attr-defined]


def newest_first(
    listing: Listing[Moment],
    fetch: Callable[[int, Moment | None], Sequence[Item]],
    place_of: Callable[[Item], Moment],
    present: Callable[[Item], dict[str, Any]],
    max_bytes: int = PAGE_BYTES,
) -> Response:
    """Answer the current request with the requested page of `listing`, newest first.

    `fetch` is called with a limit and a place (None: the start), and returns the items after it, as `fill` needs them;
    `place_of` returns the place of an item. Raise `InvalidFieldsError` as `requested` does.
    """
    page = requested(request, listing)
    filled = fill(fetch(page.limit + 1, page.after), page.limit, max_bytes, place_of, present)
    answer = filled.enclosed()
    link_next(answer, listing, page, filled.following)
    return answer


def fill(
    items: Iterable[Item],
    limit: int,
    max_bytes: int,
    place_of: Callable[[Item], Place],
    present: Callable[[Item], dict[str, Any]],
) -> Filled[Place]:
    """Return a page of `items`: at most `limit`, and no more than fit into `max_bytes` of JSON, but at least one.

    If there are more than the page shows, `items` must have at least one of those.
    """
    shown, count = bytearray(), 0  # a thousand small pieces would stay in the heap of the thread
    left = max_bytes - len(b"[]\n")
    last = None
    for item in items:
        text = to_json(present(item))
        left -= len(text) + len(b",")
        if count == limit or (count and left < -1):  # there is no comma after the last item
            return Filled(shown, count, last)
        if count:
            shown += b","
        shown += text
        count += 1
        last = place_of(item)
    return Filled(shown, count, None)


def to_json(document: dict[str, Any]) -> bytes:
    """Return `document` as the bytes that the application sends for it."""
    return orjson.dumps(document)


def link_next(answer: Response, listing: Listing[Place], page: Page[Place], following: Place | None) -> None:
    """Add `Link: <path?…>; rel="next"` (RFC 8288) to `answer` unless `following`, where to go on, is None."""
    if following is not None:
        fields = {**listing.query, "limit": page.limit, "cursor": _cursor(following, listing)}
        query = urlencode(fields, quote_via=quote)
        answer.headers["Link"] = f'<{listing.path}?{query}>; rel="next"'


def _cursor(place: Place, listing: Listing[Place]) -> str:
    document = json.dumps([listing.scope, *listing.order.write(place)])
    return base64.urlsafe_b64encode(document.encode()).decode().rstrip("=")


def _place_of(cursor: str, listing: Listing[Place]) -> Place:
    """Return the place that `cursor` names. Raise `ValueError` unless it is, byte for byte, what we return for it."""
    padded = cursor + "=" * (-len(cursor) % 4)
    match json.loads(base64.b64decode(padded, altchars=b"-_", validate=True)):
        case [str(), *position] if all(isinstance(part, str) for part in position):
            place = listing.order.read(tuple(position))
            if _cursor(place, listing) == cursor:
                return place
    raise ValueError("not a cursor of this list")
