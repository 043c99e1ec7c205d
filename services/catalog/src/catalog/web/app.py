"""The Flask application of catalog."""

from flask import Flask

from catalog.bootstrap import App, checks
from catalog.web import collections, images, uploads
from catalog.web.errors import STATUSES
from chassis.web import app as web


def make_flask(app: App) -> Flask:
    """Make the Flask application whose views work with APP."""
    own, shared = checks(app.database)
    flask = web.base_flask("catalog", STATUSES, own, shared)
    flask.extensions["imghost"] = app
    for part in (images, collections, uploads):
        flask.register_blueprint(part.routes)
    return flask
