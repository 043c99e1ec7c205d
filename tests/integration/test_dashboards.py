"""The dashboards: a real Prometheus that scrapes all processes answers each of their queries."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from deadlines import until
from metrics_matrix import ON_OCCASION, PROCESSES, WHERE
from pictures import photo
from prometheus import DASHBOARDS, Server, names, panels, prometheus, queries, rules
from web_stack import BUCKET, WebStack
from whole_stack import Whole, running

RECORDED = {rule["record"] for rule in rules() if "record" in rule}
# What a stack without faults has nothing of: these queries are answered, with nothing.
OF_FAULTS = ("ALERTS", "rabbitmq_alarms", 'status="5xx"', *ON_OCCASION - {"imghost_outbox_published_total"})


@pytest.fixture(scope="module")
def whole(
    prepared_web_stack: Path, tmp_path_factory: pytest.TempPathFactory, broker_url: str, moto_s3: str
) -> Iterator[Whole]:
    folder = tmp_path_factory.mktemp("whole")
    with WebStack.copied(prepared_web_stack, folder) as web, running(web, broker_url, moto_s3) as stack:
        yield stack


@pytest.fixture(scope="module")
def server(whole: Whole, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Prometheus, which has seen a picture that became ready, one that failed, and the watchdog at work."""
    with prometheus(tmp_path_factory.mktemp("prometheus"), whole.ops) as started:
        anna = whole.web.anna()
        until(lambda: started.up() == set(PROCESSES), 30, "not all processes are scraped")
        for key, body in (("a.jpg", photo()), ("b.jpg", b"no picture")):
            whole.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
            assert anna.post("/api/images", json={"s3_key": key}).status == 201
        until(lambda: anna.get("/api/i/a.jpg").json()["status"] == "ready", 60, "the image is not ready")
        until(lambda: anna.get("/api/i/b.jpg").json()["status"] == "failed", 60, "the image has not failed")
        until(lambda: started.ask("imghost_queue_consumers"), 60, "the watchdog has not looked")
        until(lambda: started.ask("imghost:images_ready:increase5m"), 60, "no rule was evaluated")
        yield started


def answered(query: str) -> str:
    """Return a query with the window that Grafana would put into it."""
    return query.replace("$__rate_interval", "1m")


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_every_query_is_answered(server: Server, dashboard: Path) -> None:
    empty = [query for query in queries(dashboard) if not server.ask(answered(query))]
    assert [query for query in empty if not any(part in query for part in OF_FAULTS)] == []


def test_no_alert_fires_on_a_stack_without_faults(server: Server) -> None:
    assert server.firing() == set()


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_every_metric_that_a_panel_names_is_in_the_table(dashboard: Path) -> None:
    named = {name for query in queries(dashboard) for name in names(query)}
    assert {name for name in named if not name.startswith("rabbitmq_")} - RECORDED - set(WHERE) == set()


def test_every_metric_is_in_a_panel_or_a_rule() -> None:
    """Or an operator would never see it."""
    shown = {name for dashboard in DASHBOARDS for query in queries(dashboard) for name in names(query)}
    in_rules = {name for rule in rules() for name in names(rule["expr"])}
    assert set(WHERE) - shown - in_rules == set()


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_say_what_they_show_and_do_not_overlap(dashboard: Path) -> None:
    found = json.loads(dashboard.read_text())
    assert found["title"]
    assert found["description"].endswith(".")
    taken: set[tuple[int, int]] = set()
    for panel in panels(dashboard):
        assert panel["title"]
        assert panel["description"].endswith(".")
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in found["panels"]}) == len(found["panels"])


def test_dashboards_use_data_sources_that_are_provisioned() -> None:
    used = {panel["datasource"]["uid"] for dashboard in DASHBOARDS for panel in panels(dashboard)}
    assert used == {"prometheus", "loki"}
    assert len(DASHBOARDS) == 3
