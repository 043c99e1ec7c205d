"""The document and its page as the gateway serves them."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from gateway.web.docs import documentation


@pytest.fixture
def browser() -> FlaskClient:
    app = Flask("documentation", static_folder=None)
    app.register_blueprint(documentation(max_age_s=10))
    return app.test_client()


def test_the_page_allows_nothing_from_elsewhere_and_no_inline_script(browser: FlaskClient) -> None:
    answer = browser.get("/api/docs")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert re.search(r"<script>|<style|style=|\son\w+=|https?:", answer.text) is None


@pytest.mark.parametrize("target", ["docs", "docs/docs.css", "docs/docs.js", "docs/swagger-ui.css"])
def test_text_says_in_which_characters_it_is(browser: FlaskClient, target: str) -> None:
    kind, _, charset = browser.get(f"/api/{target}").headers["Content-Type"].partition("; ")
    assert kind.startswith("text/")
    assert charset == "charset=utf-8"


def test_nothing_redirects(browser: FlaskClient) -> None:
    assert browser.get("/api/docs").status_code == 200
    assert browser.get("/api/docs/").status_code == 404
    assert browser.get("/api/docs/no-such.js").status_code == 404


@pytest.mark.parametrize("target", ["/api/openapi.json", "/api/docs", "/api/docs/swagger-ui.css"])
def test_what_a_browser_has_is_not_sent_again(browser: FlaskClient, target: str) -> None:
    first = browser.get(target)
    assert first.headers["Cache-Control"] == "public, max-age=10"
    second = browser.get(target, headers={"If-None-Match": first.headers["ETag"]})
    assert (second.status_code, second.data) == (304, b"")


def test_parameters_of_a_path_are_given_with_each_operation(browser: FlaskClient) -> None:
    """Swagger UI shows empty fields for references in the parameters of a path."""
    for target, item in browser.get("/api/openapi.json").get_json()["paths"].items():
        assert "parameters" not in item, target
