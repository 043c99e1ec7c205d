"""Idempotency keys: which headers have one, and when two requests are the same."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.idempotency import MalformedKeyError, fingerprint, read_key
from gateway.web.docs import document

_SCHEMA = document()["components"]["parameters"]["IdempotencyKey"]["schema"]
# In JSON Schema, as in ECMA 262, `$` matches only at the very end; in Python also before a last newline.
DOCUMENTED = re.compile(str(_SCHEMA["pattern"]).removesuffix("$") + r"\Z")


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ('"8e03978e-40d5-43dd-bc93-6894a57f9324"', "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ('"a b, c; d"', "a b, c; d"),
        (r'"a\"\\"', 'a"\\'),
        ("a:b/c=", "a:b/c="),
        ("x" * 255, "x" * 255),
        ('"' + r"\"" * 255 + '"', '"' * 255),
    ],
)
def test_key_is_a_string_with_quotation_marks_or_without(header: str, key: str) -> None:
    assert read_key(header) == key


@pytest.mark.parametrize(
    "header",
    [
        "",
        '""',
        '"',
        '"a',
        'a"',
        "a b",
        "a,b",
        "a;b",
        "a\\b",
        '"a","b"',
        '"a";b=c',
        r'"a\b"',
        "ä",
        '"\x7f"',
        "a\n",
        "x" * 256,
    ],
)
def test_anything_else_is_malformed(header: str) -> None:
    with pytest.raises(MalformedKeyError):
        read_key(header)


@given(st.text(st.sampled_from('ab0-" ,;\\\x1f\x7f~!ä'), max_size=8) | st.text("ab", min_size=250, max_size=260))
def test_document_describes_the_keys_that_are_taken(header: str) -> None:
    for sent in (header, f'"{header}"'):
        try:
            read_key(sent)
        except MalformedKeyError:
            assert not DOCUMENTED.search(sent)
        else:
            assert DOCUMENTED.search(sent)


def test_requests_differ_by_method_path_query_and_body() -> None:
    request = ("POST", "/api-key/rotation", "id=a", b"{}")
    others = [
        ("PUT", "/api-key/rotation", "id=a", b"{}"),
        ("POST", "/api-key", "id=a", b"{}"),
        ("POST", "/api-key/rotation", "id=b", b"{}"),
        ("POST", "/api-key/rotation", "id=a", b""),
    ]
    assert len({fingerprint(*each) for each in (request, *others)}) == 5
    assert fingerprint(*request) == fingerprint(*request)
