"""Only trusted proxies decide which traces are kept."""

import pytest
from opentelemetry.trace import format_trace_id

from gateway.settings import GatewaySettings
from gateway.web.app import make_flask
from kept_spans import Spans

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.mark.parametrize(("proxies", "goes_on"), [(0, False), (1, True)])
def test_trace_of_a_client_goes_on_behind_a_trusted_proxy_only(spans: Spans, proxies: int, goes_on: bool) -> None:
    urls = {"auth_url": "http://127.0.0.1:1", "catalog_url": "http://127.0.0.1:1"}
    gateway = make_flask(GatewaySettings.model_validate({**urls, "trusted_proxies": proxies}))
    sent = {"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"}
    assert gateway.test_client().get("/api/openapi.json", headers=sent).status_code == 200
    (span,) = spans().values()
    assert (format_trace_id(span.context.trace_id) == TRACE_ID) is goes_on
