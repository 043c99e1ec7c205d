"""The Flask application of auth."""

from flask import Flask

from auth.bootstrap import App
from auth.web.errors import STATUSES
from auth.web.routes import routes
from chassis.web import app as web


def make_flask(app: App) -> Flask:
    """Make the Flask application whose views work with APP."""
    own, shared = app.database.checks()
    flask = web.base_flask("auth", STATUSES, own, shared)
    flask.extensions["imghost"] = app
    flask.register_blueprint(routes)
    return flask
