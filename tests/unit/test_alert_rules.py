"""The alert rules: valid, tested by promtool, about metrics that there are, each with its paragraph for operators."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from metrics_matrix import PROCESSES, WHERE
from prometheus import OBSERVE, RULES, alerts, faster, names, program, rules

OPERATIONS = (OBSERVE.parent / "docs" / "operations.md").read_text()
TESTS = sorted((OBSERVE / "prometheus").glob("tests*.yml"))
OF_RABBITMQ = {"rabbitmq_alarms_free_disk_space_watermark", "rabbitmq_alarms_memory_used_watermark"}


def promtool(*words: str) -> None:
    run = subprocess.run([program("promtool"), *words], check=False, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr


def test_rules_are_valid() -> None:
    promtool("check", "rules", str(RULES))


def test_configuration_is_valid() -> None:
    promtool("check", "config", str(OBSERVE / "prometheus" / "prometheus.yml"))


@pytest.mark.parametrize("tests", TESTS, ids=lambda path: path.stem)
def test_rules_pass_their_tests(tests: Path) -> None:
    promtool("test", "rules", str(tests))


def test_every_alert_has_a_test_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    fires: dict[str, set[bool]] = {}
    for file in TESTS:
        for test in yaml.safe_load(file.read_text())["tests"]:
            for asked in test["promql_expr_test"]:
                for name in re.findall(r'alertname="(\w+)"', asked["expr"]) or [alert["alert"] for alert in alerts()]:
                    fires.setdefault(name, set()).add(bool(asked["exp_samples"]))
    assert fires == {alert["alert"]: {False, True} for alert in alerts()}


def test_every_metric_that_a_rule_names_is_shown_or_recorded() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    named = {name for rule in rules() for name in names(rule["expr"])}
    assert named - recorded - set(WHERE) == OF_RABBITMQ
    assert recorded <= named, "is used by no alert"


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_alert_tells_a_person_what_is_wrong_and_where_to_read_on(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"page", "ticket"}
    told = alert["annotations"]
    assert told["summary"].endswith(".")
    assert told["description"].endswith(".")
    assert told["runbook_url"] == f"docs/operations.md#{alert['alert'].lower()}"
    paragraph = re.search(rf"^### {alert['alert']}\n\n(.+?)(?=\n###|\Z)", OPERATIONS, re.DOTALL | re.MULTILINE)
    assert paragraph is not None
    assert "*Look at*" in paragraph[1]
    assert "*Do*" in paragraph[1]


def test_no_paragraph_is_about_an_alert_that_is_gone() -> None:
    assert re.findall(r"^### (\w+)", OPERATIONS, re.MULTILINE) == [alert["alert"] for alert in alerts()]


def test_every_process_is_scraped_as_a_job_of_its_name() -> None:
    configuration = yaml.safe_load((OBSERVE / "prometheus" / "prometheus.yml").read_text())
    assert {job["job_name"] for job in configuration["scrape_configs"]} == {*PROCESSES, "rabbitmq"}


def test_faster_copy_is_valid_and_has_shorter_windows_waits_and_ages(tmp_path: Path) -> None:
    copy = tmp_path / "rules.yml"
    copy.write_text(faster(RULES.read_text(), 12))
    promtool("check", "rules", str(copy))
    assert faster("sum(rate(a[1h])) > 5\nfor: 2m", 12) == "sum(rate(a[300s])) > 5\nfor: 10s"
    assert faster("max(imghost_pending_images_oldest_age_seconds) > 300", 12).endswith("> 25.0")
    assert not re.search(r"(\[|for: )\d+[mhd]", copy.read_text())
