"""Every code of a problem has a page, which is its `type`, and every page is of a code that is answered."""

import json
import re
from http import HTTPStatus
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from gunicorn.http.errors import (
    ExpectationFailed,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)

from auth.web.errors import STATUSES as OF_AUTH
from catalog.web.errors import STATUSES as OF_CATALOG
from chassis.errors import TokenRefusedError
from chassis.web.app import COMMON_STATUSES
from chassis.web.problems import InvalidFieldsError, type_of
from gateway.door import refusals
from gateway.door.client import HeadTooSlowError
from gateway.web.docs import document, documentation
from gateway.web.errors import STATUSES as OF_GATEWAY
from gateway.web.problem_pages import problem_pages, problems

ROOT = Path(__file__).parents[2]


@pytest.fixture
def browser() -> FlaskClient:
    app = Flask("problems", static_folder=None)
    app.register_blueprint(problem_pages(max_age_s=10))
    app.register_blueprint(documentation(max_age_s=10))
    return app.test_client()


def of_document() -> set[str]:
    """Return the codes that the API document names in its answers."""
    media = [
        response.get("content", {}).get("application/problem+json")
        for response in document()["components"]["responses"].values()
    ]
    codes = [each["schema"]["properties"]["code"] for each in media if each]
    return {code for each in codes for code in each.get("enum", [each.get("const")])}


def of_services() -> dict[str, set[int]]:
    """Return the codes of all errors that the services and the gateway answer, each with its statuses."""
    found: dict[str, set[int]] = {InvalidFieldsError.code: {422}}
    for statuses in (COMMON_STATUSES, OF_AUTH, OF_CATALOG, OF_GATEWAY):
        for kind, status in statuses.items():
            kinds = {kind}
            while more := {sub for each in kinds for sub in each.__subclasses__()} - kinds:
                kinds |= more
            for code in {getattr(each, "code", None) for each in kinds if not {each} & (set(statuses) - {kind})}:
                if code is not None:
                    found.setdefault(code, set()).add(status)
    return found


def of_edge() -> set[str]:
    """Return the codes that the edge answers itself."""
    template = (ROOT / "edge" / "nginx.conf.template").read_text()
    blocks = [
        template.partition(begin)[2].partition("}")[0] for begin in ("map $request $unreadable {", "$problem_code {")
    ]
    return set(re.findall(r"\s([a-z][a-z-]+);", "".join(blocks)))


def test_codes_with_a_page_are_those_of_the_document() -> None:
    # It is not of an answer, but of an operation in the answer to a batch.
    assert set(problems()) == of_document() | {"not-begun"}


def test_statuses_are_those_that_the_document_lists() -> None:
    listed = document()["components"]["schemas"]["Problem"]["description"]
    rows = re.findall(r"^\| (\d{3}) \| (.*) \|$", listed, re.MULTILINE)
    told = {code: int(status) for status, codes in rows for code in re.findall(r"(?:^|, )`([a-z-]+)`", codes)}
    assert {code: problem.status for code, problem in problems().items()} == told


def test_whatever_is_answered_has_its_page() -> None:
    answered = of_services()
    # A service answers this to the gateway only, whose clients get 503.
    assert answered.pop(TokenRefusedError.code) == {401}
    for code, statuses in answered.items():
        assert code in problems(), code
        assert statuses == {problems()[code].status}, code
    assert of_edge() > {"malformed-path", "not-found", "outcome-unknown"}
    assert of_edge() - set(problems()) == set()
    kinds = (
        LimitRequestLine,
        LimitRequestHeaders,
        ExpectationFailed,
        UnsupportedTransferCoding,
        ParseException,
        OSError,
    )
    for fault in (*(kind.__new__(kind) for kind in kinds), HeadTooSlowError(), None):
        answer = refusals.of_request(fault) if fault is not None else refusals.of_connection()
        problem = json.loads(answer.partition(b"\r\n\r\n")[2])
        assert problems()[problem["code"]].status == problem["status"]
        assert problem["type"] == type_of(problem["code"])


@pytest.mark.parametrize("code", problems())
def test_each_has_a_page_without_scripts(browser: FlaskClient, code: str) -> None:
    answer = browser.get(type_of(code))
    assert answer.status_code == HTTPStatus.OK
    assert answer.content_type == "text/html; charset=utf-8"
    assert "script" not in answer.headers["Content-Security-Policy"]
    assert re.search(r"<script|<style|style=|\son\w+=|https?:", answer.text) is None
    assert f"<h1>{problems()[code].title}</h1>" in answer.text
    assert "`" not in answer.text
    for address in re.findall(r'(?:href|src)="\.\./([^"]+)"', answer.text):
        assert browser.get(f"/api/{address}").status_code == HTTPStatus.OK, address


def test_list_leads_to_every_page(browser: FlaskClient) -> None:
    linked = re.findall(r'href="problems/([^"]+)"', browser.get("/api/problems").text)
    assert linked == list(problems())
    assert browser.get("/api/problems/no-such-code").status_code == HTTPStatus.NOT_FOUND
