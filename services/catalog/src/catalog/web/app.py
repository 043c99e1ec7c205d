"""The Flask application of catalog."""

from flask import Flask

from catalog.bootstrap import App, checks, make_app
from catalog.settings import ServeSettings
from catalog.web import batches, collections, images, uploads, use
from catalog.web.access import RULES
from catalog.web.errors import STATUSES
from chassis.web import access, callers, observation
from chassis.web import app as web

AUDIENCE = "catalog"


def from_settings(settings: ServeSettings) -> Flask:
    """Return the Flask application that `settings` describe, for a web process of its own."""
    flask = make_flask(make_app(settings))
    flask.config[observation.SLOW_REQUEST_S] = settings.slow_request_s
    return flask


def make_flask(app: App) -> Flask:
    """Return the Flask application whose views work with `app`."""
    own, shared = checks(app.database)
    flask = web.base_flask("catalog", STATUSES, own, shared)
    flask.extensions["imghost"] = app
    callers.honour_deadlines(flask)
    for part in (images, collections, batches, uploads, use):
        flask.register_blueprint(part.routes)
    access.guard(flask, RULES, app.token_keys, AUDIENCE)
    return flask
