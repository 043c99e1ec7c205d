"""S3 keys for property tests: which ones may name an image, and all the ways to write one in the path of a request.

The rules are written down here from the contract, not taken from the code that they test.
"""

import random
from urllib.parse import quote

from hypothesis import strategies as st

CONTROLS = {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))}
LONGEST = 1000
# What has misled a parser before: separators and escapes of URLs, shells, JSON and SQL; what looks like a route, a
# thumb or a dot segment; the same letter composed and not; what has no width, or is no character.
ODD = [
    *" !\"#$%&'()*+,-.:;<=>?@[\\]^_`{|}~",
    "%2F", "%2f", "%252F", "%00", "%25", "%", "%zz", "%u00e4", "+", "?limit=1", "#x", ";a=b", "://", "..a", "...", ".",
    "t512", "t", "images", "api", "healthz", "%2e%2e", "\u00e4", "a\u0308", "\u212b", "\U0001f30d", "\u200b", "\u202e",
    "\ufeff", "\ufffd", "\uffff", "\U0010ffff", "\u2028", "\u00a0", "\u0130", "\u00df",
]  # fmt: skip
RAW = bytes(set(range(0x21, 0x7F)) - set(b"%?#"))
"""The bytes that may stand in a path as they are: a `?` would begin the query there, and a `#` the fragment."""


def may_name_an_image(key: str) -> bool:
    """Return whether the contract allows `key`."""
    segments = key.split("/")
    before_last = segments[-2] if len(segments) > 1 else ""
    is_thumb = before_last[:1] == "t" and before_last[1:].isascii() and before_last[1:].isdigit()
    has_odd_segment = bool({"", ".", ".."} & set(segments))
    return 1 <= len(key.encode()) <= LONGEST and not (has_odd_segment or CONTROLS & set(key) or is_thumb)


def _fill(key: str, character: str, size: int) -> str:
    """Return `key` followed by as many of `character` as fit into `size` bytes."""
    return key + character * max(0, (size - len(key.encode())) // len(character.encode()))


_character = st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="/")
_segment = st.lists(_character | st.sampled_from(ODD), min_size=1, max_size=6).map("".join)
_key = st.lists(_segment, min_size=1, max_size=4).map("/".join)
_long = st.builds(_fill, _key, _character, st.sampled_from([LONGEST, LONGEST - 1, 512, 256]))

valid_keys = st.one_of(_key, _key, _key, _long).filter(may_name_an_image)

_spoilt = st.one_of(
    _key.map(lambda key: f"/{key}"),
    _key.map(lambda key: f"{key}/"),
    st.tuples(_key, st.sampled_from(["", ".", ".."]), _key).map("/".join),
    st.tuples(st.sampled_from([".", ".."]), _key).map("/".join),
    st.tuples(_key, st.sampled_from(sorted(CONTROLS)), _key).map("".join),
    st.builds("{}/t{}/{}".format, _key, st.integers(0, 99999), _segment),
    st.builds("t{}/{}".format, st.integers(0, 99999), _segment),
    st.builds(_fill, _key, _character, st.integers(LONGEST + 8, 2000)),
    st.sampled_from([".", "..", "/", "//", "../../healthz", "../images"]),
)
invalid_keys = _spoilt.filter(lambda key: not may_name_an_image(key))


def write(key: bytes, by: random.Random) -> bytes:
    """Return `key` as it may stand in a path, written in a way that `by` chooses."""
    match by.randrange(5):
        case 0:
            return quote(key).encode()
        case 1:
            return b"".join(bytes([byte]) if byte in RAW else b"%%%02X" % byte for byte in key)
        case 2:
            return b"".join(b"%%%02X" % byte for byte in key)
        case 3:
            return b"".join(b"%%%02x" % byte for byte in key)
        case _:
            return b"".join(
                bytes([byte])
                if byte in RAW and by.random() < 0.5
                else b"%" + "".join(by.choice((digit, digit.upper())) for digit in f"{byte:02x}").encode()
                for byte in key
            )
