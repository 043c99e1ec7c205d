"""Which web pages are foreign, and which origins an operator may name."""

import pytest

from gateway import origins
from gateway.settings import GatewaySettings

URLS = {"auth_url": "http://auth:8000", "catalog_url": "http://catalog:8000"}


@pytest.mark.parametrize(
    ("origin", "host", "fetch_site"),
    [
        ("", "pics.example", ""),  # no browser
        ("https://pics.example", "pics.example", ""),
        ("http://pics.example:8080", "pics.example:8080", ""),
        ("https://pics.example", "pics.example:443", ""),
        ("https://pics.example:443", "pics.example", ""),
        ("http://pics.example", "pics.example:80", ""),
        ("https://pics.example", "PICS.Example", ""),
        ("http://[::1]:8080", "[::1]:8080", ""),
        ("http://[2001:db8::a]", "[2001:DB8::A]:80", ""),
        ("https://pics.example", "gateway:8000", "same-origin"),  # a proxy has replaced Host
        ("null", "pics.example", "same-origin"),  # as with Referrer-Policy: no-referrer
        ("", "pics.example", "same-origin"),
        ("", "pics.example", "none"),
    ],
)
def test_page_of_this_host_is_not_foreign(origin: str, host: str, fetch_site: str) -> None:
    assert not origins.is_foreign(origin, host, fetch_site)


@pytest.mark.parametrize(
    ("origin", "host", "fetch_site"),
    [
        ("https://evil.example", "pics.example", ""),
        ("https://pics.example.evil.example", "pics.example", ""),
        ("https://evil.pics.example", "pics.example", ""),
        ("https://pics.example:8443", "pics.example", ""),
        ("https://pics.example", "pics.example:8443", ""),
        ("http://pics.example", "pics.example:443", ""),
        ("http://127.0.0.1:3000", "127.0.0.1:8080", ""),
        ("http://[::1]:3000", "[::1]:8080", ""),
        ("http://[::2]", "[::1]", ""),
        ("null", "pics.example", ""),
        ("null", "null", ""),
        ("https://pics.example", "", ""),
        ("", "", "cross-site"),
        ("https://pics.example", "pics.example", "cross-site"),
        ("https://pics.example", "pics.example", "same-site"),
        ("", "pics.example", "same-site"),
        ("", "pics.example", "same-origin,cross-site"),
        ("https://pics.example,https://evil.example", "pics.example", ""),
        ("https://pics.example:none", "pics.example", ""),
        ("https://pics.example", "pics.example:none", ""),
        ("https://[", "[", ""),
        ("nonsense", "nonsense", ""),
        ("moz-extension://pics", "pics.example", ""),
    ],
)
def test_any_other_page_is_foreign(origin: str, host: str, fetch_site: str) -> None:
    assert origins.is_foreign(origin, host, fetch_site)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://app.example", "https://app.example"),
        ("HTTPS://App.Example:443/", "https://app.example"),
        ("http://app.example:80", "http://app.example"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("http://[2001:DB8::A]:80", "http://[2001:db8::a]"),
    ],
)
def test_named_origin_is_kept_as_browsers_write_it(given: str, kept: str) -> None:
    assert GatewaySettings.model_validate({**URLS, "allowed_origins": (given,)}).allowed_origins == (kept,)


@pytest.mark.parametrize(
    "origin",
    ["", "*", "null", "app.example", "https://", "https://app.example/path", "https://app.example?x", "ftp://app.example",
     "https://me@app.example", "https://app.example#x", "https://*.app.example", "https://app.example:0",
     "https://app.example:port", "https://bücher.example", "https://a.example, https://b.example"],
)  # fmt: skip
def test_what_is_no_origin_is_refused_at_start(origin: str) -> None:
    with pytest.raises(ValueError, match="Value error"):
        GatewaySettings.model_validate({**URLS, "allowed_origins": (origin,)})
