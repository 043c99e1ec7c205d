"""Names, labels and modes of all metrics, as Prometheus and several web processes need them."""

import re

import pytest
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from metrics_matrix import ROOT, TYPES, WHERE, all_declared, modules, name_of

METRICS = all_declared(modules())
# Their values are few, and none is what a client or a picture says.
LABELS = {
    *("method", "route", "status", "service", "reason", "line", "state"),
    *("queue", "verdict", "type", "cause", "access", "fault", "operation", "outcome", "purpose"),
    *("result", "effect", "format", "stage", "code", "bucket", "request", "version", "python"),
}
# As prometheus.io/docs/practices/naming has them: base units, which a name ends with, before _total.
UNITS = ("seconds", "bytes")
OTHER_UNITS = re.compile(r"_(ms|milliseconds|minutes|hours|kb|kilobytes|mb|megabytes|percent)(_|$)")


@pytest.mark.parametrize("metric", METRICS, ids=name_of)
def test_name_follows_the_conventions(metric: MetricWrapperBase) -> None:
    name = name_of(metric)
    assert re.fullmatch(r"imghost(_[a-z0-9]+)+", name)
    assert not OTHER_UNITS.search(name)
    assert name.endswith("_total") == isinstance(metric, Counter)
    if isinstance(metric, Histogram):
        assert name.endswith("_duration_seconds")
    for unit in UNITS:
        assert f"_{unit}" not in name or name.removesuffix("_total").endswith(f"_{unit}")


@pytest.mark.parametrize("metric", METRICS, ids=name_of)
def test_meaning_is_told_in_sentences(metric: MetricWrapperBase) -> None:
    meaning = next(iter(metric.describe())).documentation
    assert re.fullmatch(r"[A-Z01].*\.", meaning)
    assert "|" not in meaning  # it stands in a table


@pytest.mark.parametrize("metric", METRICS, ids=name_of)
def test_no_label_is_without_bound(metric: MetricWrapperBase) -> None:
    assert set(metric._labelnames) <= LABELS  # noqa: SLF001 - nothing else tells them


@pytest.mark.parametrize("metric", [each for each in METRICS if isinstance(each, Gauge)], ids=name_of)
def test_gauge_is_not_kept_of_a_web_process_that_has_ended(metric: Gauge) -> None:
    assert metric._multiprocess_mode.startswith("live")  # noqa: SLF001 - nothing else tells it


def test_every_metric_is_shown_by_a_process_and_documented() -> None:
    assert {name_of(metric) for metric in METRICS} == set(WHERE)
    assert len(METRICS) == len(WHERE)
    assert {type(metric) for metric in METRICS} == set(TYPES)


def test_metrics_are_declared_in_modules_that_are_named_after_them() -> None:
    """Others would be missing in the documentation, and in the tests above."""
    declares = re.compile(r"= (Counter|Gauge|Histogram|Summary|Info|Enum)\(\s*\"")
    sources = [path for folder in ("libs", "gateway", "services") for path in (ROOT / folder).rglob("src/**/*.py")]
    declaring = [path for path in sources if declares.search(path.read_text())]
    assert len(declaring) == len(list(modules()))
    assert [path for path in declaring if not path.name.endswith("metrics.py")] == []
