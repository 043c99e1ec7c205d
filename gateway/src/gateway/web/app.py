"""The Flask application of the gateway: the routes of the table, and the API's documentation."""

from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from chassis.web import app as web
from chassis.web import observation
from gateway import api_keys, prefixes
from gateway.door.worker import IS_HOPELESS
from gateway.password_checks import PasswordChecks
from gateway.paths import KeyConverter, RawPaths, SegmentConverter
from gateway.progress import Progress
from gateway.services import Services
from gateway.settings import GatewaySettings
from gateway.table import ROUTES
from gateway.web import console, cross_site, docs, forwarding, problem_pages, public, rate_limits
from gateway.web.admission import Admission
from gateway.web.authentication import Authentication, SenderRefusedError
from gateway.web.direct_images import DirectImages
from gateway.web.errors import STATUSES
from gateway.web.pages.oembed import oembed
from gateway.web.pages.views import install as install_pages
from gateway.web.pages.views import pages
from gateway.web.public import PublicHeaders
from gateway.web.public_answers import PublicAnswers
from gateway.web.uploads import Uploads

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


def make_flask(settings: GatewaySettings) -> Flask:
    """Return the gateway that `settings` describe."""
    services, checks = Services(settings), PasswordChecks(settings.password_checks)
    progress = Progress(settings.requests_in_progress)
    shared = {"auth": lambda: services.answers("auth"), "catalog": lambda: services.answers("catalog")}
    flask = web.base_flask(
        "gateway",
        STATUSES,
        {},
        shared,
        shown_path=_shown_path,
        is_public=True,
        continues_traces=settings.trusted_proxies > 0,
    )
    flask.url_map.converters |= {"segment": SegmentConverter, "key": KeyConverter}
    flask.config[observation.SLOW_REQUEST_S] = settings.slow_request_s
    authentication = Authentication(services, checks, progress)
    uploads = Uploads(services, authentication, progress, settings)
    flask.register_error_handler(SenderRefusedError, lambda fault: forwarding.relay(fault.answer))
    for route in ROUTES:
        if route.is_upload:
            view = uploads.view_of(route)
        else:
            view = forwarding.view_of(route, services, authentication, progress, settings)
        flask.add_url_rule(
            route.rule, endpoint=route.rule, view_func=view, methods=route.methods, provide_automatic_options=False
        )
        if route.public:
            flask.add_url_rule(route.rule, f"{route.rule} preflight", public.preflight, methods=["OPTIONS"])
    flask.register_blueprint(docs.documentation(settings.public_max_age_s))
    flask.register_blueprint(problem_pages.problem_pages(settings.public_max_age_s))
    if settings.public_pages:
        flask.register_blueprint(oembed(services, settings))
        flask.register_blueprint(pages(services, settings))
        install_pages(flask)
    if settings.console:
        flask.register_blueprint(console.console(settings.public_max_age_s, settings.picture_origins))
    may_be_forwarded = settings.path_prefix is None and settings.trusted_proxies > 0
    headers = PublicHeaders(
        settings.public_max_age_s,
        varies=[prefixes.HEADER] if may_be_forwarded else [],
        is_behind_proxy=settings.trusted_proxies > 0,
    )
    headers.install(flask)

    cross_site.install(flask, settings.allowed_origins)
    rate_limits.install(flask)

    def forwarded_prefix(environ: "WSGIEnvironment") -> str:
        return prefixes.forwarded(environ.get("HTTP_X_FORWARDED_PREFIX", "")) if may_be_forwarded else ""

    kept = PublicAnswers(settings.public_cache_bytes)
    images = DirectImages(flask.wsgi_app, services, settings, headers)
    asked = kept.asking_once(images) if settings.public_cache_bytes else flask.wsgi_app
    admitted = Admission(asked, progress, services, checks, sources_are_peers=not settings.trusted_proxies)
    flask.extensions[IS_HOPELESS] = admitted.is_hopeless
    answered = kept.from_memory(admitted) if settings.public_cache_bytes else admitted
    flask.wsgi_app = RawPaths(answered, settings.path_prefix or "", forwarded_prefix)  # type: ignore[method-assign]
    if settings.trusted_proxies:
        flask.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            flask.wsgi_app, x_for=settings.trusted_proxies, x_proto=0, x_host=0, x_port=0, x_prefix=0
        )
    return flask


def _shown_path(path: str) -> str:
    return prefixes.current() + api_keys.hide(path)
