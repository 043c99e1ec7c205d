"""Cursors as a client might invent them: of the right list and shape, but never returned by any service."""

import base64
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

UUID = "11111111-2222-4333-8444-555555555555"
KEY_ID = "abcdefghijklmnop"
MOMENT = "2026-11-23T19:03:50.780288+00:00"

# Texts that `datetime.fromisoformat` takes for a time, or nearly does.
ODD_MOMENTS = [
    "0001-01-01T00:00:00+23:59",  # in UTC it is before the year 1
    "9999-12-31T23:59:59-23:59",  # and this after the year 9999
    "0001-01-01T00:00:00",
    "9999-12-31T23:59:59.999999",
    "2026-11-23T19:03:50.780288",
    "2026-11-23T19:03:50.780288Z",
    "2026-11-23 19:03:50.780288+00:00",
    "2026-11-23T19:03:50.780288-00:00",
    "2026-11-23T19:03:50.780288+01:00",
    "2026-11-23T19:03:50.780288+00:00:00.000001",
    "2026-11-23T19:03:50.78+00:00",
    "2026-11-23T19:03:50.000000+00:00",
    "2026-W48-1",
    "20261123",
    "2026-11-23T24:00:00+00:00",
    "infinity",
    "",
    "\0",
    "\ud800",
]
ODD_UUIDS = [UUID.upper().replace("1", "A"), UUID.replace("-", ""), f"{{{UUID}}}", f"{UUID}\n", "a", "", "\0", "\ud800"]
ODD_KEY_IDS = [KEY_ID.upper(), KEY_ID[:-1], f"{KEY_ID}a", f"{KEY_ID}\n", "1" * 16, "", "\0", "\ud800"]
ODD_SERIALS = ["0", "-1", "+1", "01", " 1", "1_0", "1.0", "1e3", "٣", "", "\0", str(2**63), "9" * 5000, "\ud800"]


def encoded(document: Any) -> str:
    """Return a cursor that holds `document`, in the encoding of the services."""
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def decoded(cursor: str) -> Any:
    """Return the document that a cursor of a service holds."""
    return json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))


def forged_by_moment(scope: str, item_id: str, odd_ids: Sequence[str]) -> list[str]:
    """Return invented cursors of the list `scope`, which is in the order of time and id."""
    good = [scope, MOMENT, item_id]
    documents = [
        *([scope, moment, item_id] for moment in ODD_MOMENTS),
        *([scope, MOMENT, odd] for odd in odd_ids),
        *otherwise_wrong(good),
    ]
    return [*map(encoded, documents), *written_otherwise(good)]


def forged_by_serial(scope: str) -> list[str]:
    """Return invented cursors of the list `scope`, which is in the order of a serial number."""
    return [
        *(encoded([scope, odd]) for odd in ODD_SERIALS),
        # Behind the number there may be another one, which is not written if it is 0.
        *(encoded([scope, "7", odd]) for odd in ODD_SERIALS if odd != "-1"),
        *(encoded([scope, odd, "7"]) for odd in ODD_SERIALS),
        *map(encoded, otherwise_wrong([scope, "7"])),
        *written_otherwise([scope, "7"]),
    ]


def otherwise_wrong(good: list[str]) -> list[Any]:
    """Return documents that a good one becomes by a part more, less, or of another kind."""
    wrong: list[Any] = [good[:-1], [*good, "a"], [*good[:-1], None], [*good[:-1], 7], [*good[:-1], [good[-1]]]]
    return [*wrong, good[1:], ["other", *good[1:]], [None, *good[1:]], {}, None, good[0], 1.5, {"0": good}]


def written_otherwise(good: list[str]) -> list[str]:
    """Return other ways to write a good document, which no service uses."""
    padded = base64.urlsafe_b64encode(json.dumps(good).encode()).decode()
    texts = [json.dumps(good, separators=(",", ":")), json.dumps(good) + " ", json.dumps(good, indent=1)]
    others = [base64.urlsafe_b64encode(text.encode()).decode().rstrip("=") for text in texts]
    others.append(base64.urlsafe_b64encode(b"[" * 4000).decode().rstrip("="))  # deeper than any parser goes
    others.append(base64.urlsafe_b64encode(json.dumps(good).encode("utf-16")).decode().rstrip("="))
    return [*others, padded + "=" * (4 - padded.count("=")), f"{padded.rstrip('=')}\n", f" {padded.rstrip('=')}"]


def any_document(scopes: Sequence[str], ids: Sequence[str]) -> st.SearchStrategy[Any]:
    """JSON documents, most of them of the shape that cursors have."""
    moments = st.datetimes(timezones=st.timezones() | st.none()).map(lambda moment: moment.isoformat())
    part = st.one_of(
        moments,
        st.sampled_from([MOMENT, *ODD_MOMENTS, *ids, *(odd for odd in ODD_SERIALS if len(odd) < 100)]),
        st.integers().map(str),
        st.text(),
        st.none() | st.booleans() | st.integers() | st.floats(),
    )
    shaped = st.tuples(st.sampled_from(scopes), st.lists(part, max_size=3)).map(lambda parts: [parts[0], *parts[1]])
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    nested = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)
    return shaped | nested
