"""The console as the gateway serves it: what its page loads, and what it can never load or do."""

import gzip
import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from gateway.settings import GatewaySettings
from gateway.web.app import make_flask
from gateway.web.console import console

FILES = Path(__file__).parents[2] / "gateway" / "src" / "gateway" / "console"
ORIGIN = "https://pics.example"


@pytest.fixture
def browser() -> FlaskClient:
    app = Flask("console", static_folder=None)
    app.register_blueprint(console(10, [ORIGIN]))
    return app.test_client()


def directives(browser: FlaskClient) -> dict[str, list[str]]:
    policy = browser.get("/").headers["Content-Security-Policy"]
    return {name: sources for name, *sources in (each.split() for each in policy.split(";"))}


def test_the_policy_allows_own_scripts_and_the_pictures_of_the_operator_and_nothing_else(browser: FlaskClient) -> None:
    assert directives(browser) == {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", ORIGIN],
        "connect-src": ["'self'", ORIGIN],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "frame-ancestors": ["'none'"],
        "require-trusted-types-for": ["'script'"],
        "trusted-types": ["'none'"],
    }


def test_the_page_has_nothing_inline_and_loads_only_its_own_files(browser: FlaskClient) -> None:
    page = browser.get("/").text
    assert re.search(r"<script>|<style|style=|\son\w+=|https?:|//", page) is None
    parts = re.findall(r'(?:src|href)="([^"]+)"', page)
    for part in set(parts) - {"api/docs"}:
        assert browser.get(f"/{part}").status_code == 200, part


def test_the_page_names_all_modules_so_that_browsers_load_them_at_once(browser: FlaskClient) -> None:
    named = re.findall(r'rel="modulepreload" href="console/([^"]+)"', browser.get("/").text)
    assert sorted(named) == sorted(file.name for file in FILES.glob("*.js"))


def test_every_module_that_is_imported_is_there(browser: FlaskClient) -> None:
    for file in FILES.glob("*.js"):
        for name in re.findall(r'from "\./([^"]+)"', file.read_text()):
            assert browser.get(f"/console/{name}").status_code == 200, f"{file.name} imports {name}"


def test_no_script_makes_html_of_a_text() -> None:
    for file in FILES.glob("*.js"):
        assert re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", file.read_text()) is None


def test_it_is_small() -> None:
    served = [file for file in FILES.iterdir() if file.suffix != ".txt"]
    assert sum(file.stat().st_size for file in served) < 160 * 1024


def test_what_a_browser_has_is_not_sent_again(browser: FlaskClient) -> None:
    for target in ("/", "/console/main.js"):
        first = browser.get(target)
        assert first.headers["Cache-Control"] == "public, max-age=10"
        second = browser.get(target, headers={"If-None-Match": first.headers["ETag"]})
        assert (second.status_code, second.data) == (304, b"")


def test_it_is_compressed_for_who_takes_that(browser: FlaskClient) -> None:
    plain = browser.get("/console/main.js")
    compressed = browser.get("/console/main.js", headers={"Accept-Encoding": "br, gzip"})
    assert "Content-Encoding" not in plain.headers
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(compressed.data) == plain.data
    assert plain.headers["Vary"] == compressed.headers["Vary"] == "Accept-Encoding"
    assert plain.headers["ETag"] != compressed.headers["ETag"]
    refused = browser.get("/console/main.js", headers={"Accept-Encoding": "gzip;q=0, identity"})
    assert refused.data == plain.data


def test_it_can_be_switched_off() -> None:
    services = {"auth_url": "http://auth:8000", "catalog_url": "http://catalog:8000"}
    for is_on, status in ((True, 200), (False, 404)):
        gateway = make_flask(GatewaySettings.model_validate(services | {"console": is_on})).test_client()
        # The middleware takes the path as it was sent, which a server passes on.
        for path in ("/", "/console/main.js"):
            assert gateway.get(path, environ_overrides={"RAW_URI": path}).status_code == status
