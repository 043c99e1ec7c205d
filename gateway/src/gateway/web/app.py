"""The Flask application of the gateway: the route table, and nothing that is not in it."""

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from chassis import web
from gateway import api_keys
from gateway.errors import STATUSES, GatewayError
from gateway.paths import KeyConverter, RawPaths, SegmentConverter
from gateway.services import Services
from gateway.settings import GatewaySettings
from gateway.table import ROUTES
from gateway.web import docs, forwarding, public


def make_flask(settings: GatewaySettings) -> Flask:
    """Make the public door that SETTINGS describe."""
    services = Services(settings)
    shared = {"auth": lambda: services.answers("auth"), "catalog": lambda: services.answers("catalog")}
    flask = web.make_app("gateway", GatewayError, STATUSES, {}, shared, shown_path=api_keys.hide)
    flask.url_map.converters |= {"segment": SegmentConverter, "key": KeyConverter}
    for route in ROUTES:
        view = forwarding.view_of(route, services, settings)
        flask.add_url_rule(
            route.rule, endpoint=route.rule, view_func=view, methods=route.methods, provide_automatic_options=False
        )
        if route.public:
            flask.add_url_rule(route.rule, f"{route.rule} preflight", public.preflight, methods=["OPTIONS"])
    flask.register_blueprint(docs.documentation(settings.public_max_age_s))
    public.install(flask, settings.public_max_age_s)
    flask.wsgi_app = RawPaths(flask.wsgi_app)  # type: ignore[method-assign]
    if settings.trusted_proxies:
        flask.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            flask.wsgi_app, x_for=settings.trusted_proxies, x_proto=0, x_host=0, x_port=0, x_prefix=0
        )
    return flask
