"""The gateway's routes are the document's operations."""

import re

from gateway.settings import GatewaySettings
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
