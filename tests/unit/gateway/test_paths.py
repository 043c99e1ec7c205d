from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.routing import Map, Rule

from gateway import paths
from gateway.errors import MalformedPathError
from gateway.paths import KeyConverter, RawPaths, SegmentConverter
from gateway.table import ROUTES

MAP = Map(
    [Rule(route.rule, endpoint=route.rule) for route in ROUTES],
    converters={"segment": SegmentConverter, "key": KeyConverter},
    merge_slashes=False,
)


def routed(target: str) -> tuple[str, dict[str, Any]]:
    """Return the route and the parameters of a raw request target."""
    seen: dict[str, Any] = {}

    def app(environ: dict[str, Any], _start: Any) -> list[bytes]:
        seen.update(environ)
        return []

    RawPaths(app)({"RAW_URI": target, "PATH_INFO": "ignored"}, lambda *_: lambda _: None)
    adapter = MAP.bind("host")
    endpoint, values = adapter.match(seen["PATH_INFO"], method="GET")
    return endpoint, {name: paths.decode(value) for name, value in values.items()}


@given(st.text(min_size=1).filter(lambda key: "\0" not in key))
def test_key_with_every_byte_encoded_arrives_byte_for_byte(key: str) -> None:
    encoded = "".join(f"%{byte:02X}" for byte in key.encode("utf-8", "surrogatepass"))
    try:
        key.encode()
    except UnicodeEncodeError:
        with pytest.raises(MalformedPathError):
            routed(f"/api/i/{encoded}")
    else:
        assert routed(f"/api/i/{encoded}") == ("/api/i/<key:s3_key>", {"s3_key": key})


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_key_encoded_as_clients_do_arrives_byte_for_byte(key: str) -> None:
    for safe in ("/", ""):
        target = f"/api/collections/c/images/{quote(key, safe=safe)}"
        assert routed(target)[1] == {"name": "c", "s3_key": key}


@pytest.mark.parametrize(
    ("target", "key"),
    [
        ("/api/i/a%2Fb", "a/b"),
        ("/api/i/a%252Fb", "a%2Fb"),
        ("/api/i/a?limit=1", "a"),
        ("/api/i/a%3Fb", "a?b"),
        ("/api/i/..%2F..%2Fx", "../../x"),
        ("/api/i/%2e%2e/%2e%2e/x", "../../x"),
        ("/api/i//a", "/a"),
        ("/api/i/a/", "a/"),
        ("http://other.host/api/i/a", "a"),
        ("/api/i/\xc3\xa4", "ä"),
    ],
)
def test_target_is_decoded_once(target: str, key: str) -> None:
    assert routed(target)[1] == {"s3_key": key}


@pytest.mark.parametrize("name", [".", ".."])
def test_name_of_dots_is_reached_as_it_is_and_percent_encoded(name: str) -> None:
    """Most clients remove such segments before they send a path; users with these names may exist."""
    for raw in (name, name.replace(".", "%2E"), name.replace(".", "%2e")):
        assert routed(f"/api/users/{raw}") == ("/api/users/<segment:username>", {"username": name})


@pytest.mark.parametrize("target", ["/api%2Fi/a", "/%61pi/i/a", "//api/i/a", "/api/i", "/api/i/", "/API/i/a", "*", ""])
def test_only_paths_exactly_as_documented_are_routed(target: str) -> None:
    from werkzeug.exceptions import NotFound  # noqa: PLC0415

    with pytest.raises(NotFound):
        routed(target)


@pytest.mark.parametrize("raw", ["%E9", "%ff%fe", "%C3", "%ED%A0%80", "%00"])
def test_parameter_that_is_not_utf_8_or_has_nul_is_malformed(raw: str) -> None:
    with pytest.raises(MalformedPathError):
        paths.decode(raw)
