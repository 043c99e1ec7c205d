"""The view of what a user has and may have of what catalog knows."""

from dataclasses import asdict

from flask import Blueprint, Response, jsonify

from catalog.adapters.store import Store
from catalog.web.context import app
from chassis.web.access import caller

routes = Blueprint("use", __name__)


@routes.get("/use")
def get_use() -> Response:
    """Show what the caller has and may have; the gateway adds it to what auth tells of the user."""
    use = app().database.read(Store.use, caller().user_id)
    limits = {name: most or None for name, most in asdict(app().limits).items()}
    return jsonify(use=asdict(use), limits=limits)
