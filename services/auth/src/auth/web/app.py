"""The Flask application of auth."""

from flask import Flask

from auth import metrics
from auth.bootstrap import App, make_app
from auth.errors import WrongPasswordError
from auth.settings import ServeSettings
from auth.web.access import RULES
from auth.web.errors import STATUSES
from auth.web.routes import routes
from chassis.web import access, callers, observation
from chassis.web import app as web

AUDIENCE = "auth"


def from_settings(settings: ServeSettings) -> Flask:
    """Return the Flask application that `settings` describe, for a web process of its own."""
    flask = make_flask(make_app(settings))
    flask.config[observation.SLOW_REQUEST_S] = settings.slow_request_s
    return flask


def make_flask(app: App) -> Flask:
    """Return the Flask application whose views work with `app`."""
    own, shared = app.database.checks()
    flask = web.base_flask("auth", STATUSES, own, shared)
    flask.extensions["imghost"] = app
    metrics.begin_at_zero()
    callers.honour_deadlines(flask)
    flask.register_blueprint(routes)
    access.guard(flask, RULES, app.token_keys, AUDIENCE, own_lines={WrongPasswordError.code})
    return flask
