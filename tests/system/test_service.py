"""Health, the OpenAPI document and its page."""

import re

from clients import ValidatingClient
from gateway.web.docs import document


def test_health_needs_no_credentials(anyone: ValidatingClient) -> None:
    assert anyone.get("/healthz").json() == {"status": "ok"}
    assert anyone.get("/readyz").json()["status"] == "ready"


def test_metrics_never_go_through_the_public_port(anyone: ValidatingClient) -> None:
    assert anyone.get("/metrics").status == 404


def test_the_document_is_served(anyone: ValidatingClient) -> None:
    assert anyone.get("/api/openapi.json").json() == document()


def test_the_page_and_all_its_parts_come_from_the_gateway(anyone: ValidatingClient) -> None:
    page = anyone.get("/api/docs").body.decode()
    parts = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(parts) > 4
    for part in parts:
        assert re.fullmatch(r"[a-z0-9./-]+", part), "no address elsewhere"
        assert anyone.get(f"/api/{part}").status == 200
