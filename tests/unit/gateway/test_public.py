"""For how long caches in front may keep public answers."""

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient

from chassis.web import app as web
from gateway.web import public


def client_of(max_age_s: int, *, is_behind_proxy: bool = True) -> FlaskClient:
    app: Flask = web.base_flask("gateway", {}, {}, {}, is_public=True)
    public.PublicHeaders(max_age_s, is_behind_proxy=is_behind_proxy).install(app)
    app.add_url_rule("/api/i/<int:status>", view_func=lambda status: Response(status=status))
    app.add_url_rule("/api/images", view_func=Response)
    return app.test_client()


@pytest.mark.parametrize("status", [200, 304])
def test_nginx_in_front_keeps_a_public_answer_for_less_than_others_may(status: int) -> None:
    answer = client_of(10).get(f"/api/i/{status}")
    assert answer.headers["X-Accel-Expires"] == "8"
    assert answer.headers["Cache-Control"] == "public, max-age=10"


@pytest.mark.parametrize("max_age_s", [0, 1, 2])
def test_what_may_be_kept_for_a_moment_only_is_not_kept_by_nginx(max_age_s: int) -> None:
    assert client_of(max_age_s).get("/api/i/200").headers["X-Accel-Expires"] == "0"


def test_an_answer_that_was_long_in_the_making_is_kept_for_less() -> None:
    assert [public.proxy_max_age_s(10, took_s) for took_s in (0.0, 0.95, 1.1, 4.5, 20.0)] == [8, 8, 7, 4, 0]


def test_nothing_else_may_be_kept() -> None:
    client = client_of(10)
    for path in ("/api/images", "/api/i/404", "/api/i/503", "/nothing"):
        answer = client.get(path)
        assert answer.headers["Cache-Control"] == "no-store"
        assert "X-Accel-Expires" not in answer.headers


def test_nobody_is_told_where_no_proxy_is_trusted() -> None:
    answer = client_of(10, is_behind_proxy=False).get("/api/i/200")
    assert "X-Accel-Expires" not in answer.headers
