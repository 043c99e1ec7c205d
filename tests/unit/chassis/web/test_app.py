import json

import pytest
from flask import Flask, Response, jsonify, request
from prometheus_client import REGISTRY

from chassis.errors import DependencyDownError
from chassis.web import app as web
from chassis.web import etags


class _ListedError(Exception):
    code = "listed"


class _KindOfListedError(_ListedError):
    pass


@pytest.fixture
def app() -> Flask:
    app = web.base_flask("test", {_ListedError: 409}, {}, {})

    @app.get("/thing")
    def thing() -> Response:
        return etags.conditional(request, jsonify(a=1), "current")

    @app.delete("/thing")
    def delete() -> Response:
        etags.require_match(request, "current")
        return Response(status=204)

    return app


def test_invented_methods_create_no_metrics(app: Flask) -> None:
    for number in range(20):
        assert app.test_client().open("/thing", method=f"INVENTED{number}").status_code == 405
    methods = {
        sample.labels["method"]
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if metric.name == "imghost_http_request_duration_seconds"
    }
    assert not {method for method in methods if method.startswith("INVENTED")}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_reading_with_a_stale_if_match_is_not_answered_with_412(app: Flask, method: str) -> None:
    answer = app.test_client().open("/thing", method=method, headers={"If-Match": '"stale"'})
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"current"')


@pytest.mark.parametrize("candidates", ['"current"', 'W/"current"', '"other", "current"', "*"])
def test_known_representation_is_304(app: Flask, candidates: str) -> None:
    answer = app.test_client().get("/thing", headers={"If-None-Match": candidates})
    assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", '"current"')
    assert "Content-Type" not in answer.headers


@pytest.mark.parametrize(
    ("if_match", "status"),
    [
        *((named, 204) for named in ('"current"', 'W/"current"', 'W/"other", W/"current"', "*")),
        *((named, 412) for named in ('"other"', 'W/"other"', "current-not", "")),
    ],
)
def test_if_match_accepts_a_tag_that_a_proxy_made_weak(app: Flask, if_match: str, status: int) -> None:
    assert app.test_client().delete("/thing", headers={"If-Match": if_match}).status_code == status


def test_answer_without_a_body_has_no_content_type(app: Flask) -> None:
    assert "Content-Type" not in app.test_client().delete("/thing").headers


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (_ListedError("why"), 409, "listed"),
        (_KindOfListedError("why"), 409, "listed"),
        (DependencyDownError("database"), 503, "service-unavailable"),
        (ValueError("why"), 500, "internal-error"),
    ],
)
def test_error_is_answered_as_the_table_says_and_else_as_a_defect(
    app: Flask, fault: Exception, status: int, code: str
) -> None:
    @app.get("/fails")
    def fail() -> Response:
        raise fault

    answer = app.test_client().get("/fails")
    document = json.loads(answer.data)
    assert (answer.status_code, answer.content_type, document["code"]) == (status, "application/problem+json", code)
    assert ("why" in document["detail"]) == (status == 409)
