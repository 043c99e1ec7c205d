"""The gateway's routes are the document's operations, and the services demand the scopes that the document names."""

import re

from auth.web.access import RULES as OF_AUTH
from catalog.web.access import RULES as OF_CATALOG
from gateway.settings import GatewaySettings
from gateway.single_images import TOGETHER
from gateway.table import OEMBED, PAGES, ROUTES
from gateway.web import authentication
from gateway.web.app import make_flask
from gateway.web.docs import document


def test_every_route_is_documented_and_every_operation_is_routed() -> None:
    settings = GatewaySettings.model_validate({"auth_url": "http://auth:8000", "catalog_url": "http://catalog:8000"})
    routed = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method)
        for rule in make_flask(settings).url_map.iter_rules()
        for method in rule.methods or ()
    }
    documented = {(path, method.upper()) for path, item in document()["paths"].items() for method in item}
    assert routed == documented


def test_scopes_of_the_document_are_those_that_the_services_demand() -> None:
    rules = {"auth": OF_AUTH, "catalog": OF_CATALOG}
    documented = document()
    for route in (*ROUTES, *PAGES, OEMBED):
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route.rule)
        for method, target in [*((method, route.target) for method in route.methods), ("HEAD", route.head_target)]:
            if target is None:
                continue
            asked = "GET" if method == "HEAD" else "POST" if route.is_upload else method
            rule = rules[route.service][f"{asked} {target}"]
            assert (rule is None) == route.public, f"{method} {path}"
            if rule is None or (method, path) == ("PUT", "/api/users/{username}"):
                continue
            security = documented["paths"][path][method.lower()]["security"]
            assert security == [{scheme: [scope]} for scope in rule.scopes for scheme in ("basic", "bearer")], path


def test_every_operation_of_the_services_is_reached_through_the_gateway() -> None:
    reached = {
        f"{method} {target}"
        for route in (*ROUTES, *PAGES, OEMBED)
        for method, target in (
            *((method, route.target) for method in (("GET", "POST") if route.is_upload else route.methods)),
            ("GET", route.head_target),
            ("GET", route.completed_by and route.completed_by[1]),
        )
    }
    own = {"POST /tokens", *(f"POST {path}" for path in (authentication.TOGETHER, *TOGETHER.values()))}
    assert set(OF_AUTH) | set(OF_CATALOG) == reached - {"GET None"} | own
