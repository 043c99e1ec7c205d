"""What the caller looks for among their images, as the query of a request says it."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast, get_args

from flask import Request

from catalog.domain import COLLECTION_NAME, Search, Status, words_of
from catalog.uploads import CONTENT_TYPES
from chassis.web.problems import FieldFault, InvalidFieldsError

MAX_TEXT = 200

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})")
# Behind it there is no other.
_LAST = datetime.max.replace(tzinfo=UTC)
_SORTS = ("newest", "oldest")


@dataclass(frozen=True)
class Asked:
    """A search, the name of the collection that it is in, and the parameters that have asked for it."""

    search: Search
    collection: str | None
    query: Mapping[str, str]

    @property
    def digest(self) -> str:
        """A text that is another one for every other search; empty if all images are listed as ever."""
        return hashlib.sha256(repr(sorted(self.query.items())).encode()).hexdigest()[:32] if self.query else ""


class _UnacceptableError(Exception):
    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def requested(request: Request) -> Asked:
    """Return what `request` looks for. Raise `InvalidFieldsError`, which names every parameter at fault."""
    faults: list[FieldFault] = []
    read: dict[str, Any] = {}
    query = {}
    for name, parse in _PARAMETERS.items():
        texts = request.args.getlist(name)
        if len(texts) > 1:
            faults.append(FieldFault(parameter=name, code="given-twice", detail="Give it once."))
        elif texts:
            query[name] = texts[0]
            try:
                read[name] = parse(texts[0])
            except _UnacceptableError as fault:
                faults.append(FieldFault(parameter=name, code=fault.code, detail=str(fault)))
    if faults:
        raise InvalidFieldsError(faults)
    search = Search(
        status=read.get("status"),
        text=read.get("q"),
        content_type=read.get("content_type"),
        sha256=read.get("sha256"),
        created_after=read.get("created_after"),
        created_before=read.get("created_before"),
        oldest_first=read.get("sort") == "oldest",
    )
    return Asked(search, read.get("collection"), query)


def _one_of(accepted: tuple[str, ...], code: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in accepted:
            raise _UnacceptableError(code, f"Must be one of {', '.join(accepted)}.")
        return text

    return parse


def _text(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise _UnacceptableError("too-long", f"Must have at most {MAX_TEXT} characters.")
    if not words_of(text):
        raise _UnacceptableError("no-words", "Must have a word: a letter or a digit.")
    return text


def _collection(text: str) -> str:
    if not COLLECTION_NAME.fullmatch(text):
        raise _UnacceptableError("unknown-name", "No collection can have this name.")
    return text


def _sha256(text: str) -> str:
    if not _SHA256.fullmatch(text):
        raise _UnacceptableError("not-a-sha256", "Must be 64 hexadecimal digits in lower case.")
    return text


def _moment(text: str) -> datetime:
    try:
        if _MOMENT.fullmatch(text):
            moment = datetime.fromisoformat(text).astimezone(UTC)
            if moment < _LAST:
                return moment
    except (ValueError, OverflowError):  # there is no such day, or in UTC it is in the year 0 or 10000
        pass
    raise _UnacceptableError("not-a-time", "Must be a time such as 2024-05-17T09:30:12Z; write + as %2B.")


_PARAMETERS: Mapping[str, Callable[[str], Any]] = {
    "status": _one_of(cast("tuple[str, ...]", get_args(Status)), "unknown-status"),
    "q": _text,
    "collection": _collection,
    "content_type": _one_of(tuple(sorted({*CONTENT_TYPES.values()})), "unsupported-format"),
    "created_after": _moment,
    "created_before": _moment,
    "sort": _one_of(_SORTS, "unknown-order"),
    "sha256": _sha256,
}
