"""Debian's Prometheus, and the queries of rules and dashboards that it is asked."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from deadlines import until
from embedded.parts.ports import free_ports

OBSERVE = Path(__file__).parents[1] / "observe"
RULES = OBSERVE / "prometheus" / "rules.yml"
DASHBOARDS = sorted((OBSERVE / "grafana" / "dashboards").glob("*.json"))


def program(name: str) -> str:
    """Return the path of `prometheus` or `promtool`; skip the test if it is not installed."""
    path = shutil.which(name, path=os.environ["PATH"])
    if path is None:
        pytest.skip(f"{name} is not installed (apt install prometheus)")
    return path


def rules() -> list[dict[str, Any]]:
    """Return all rules, those that record and those that alert."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    """Return the rules that alert."""
    return [rule for rule in rules() if "alert" in rule]


def panels(dashboard: Path) -> list[dict[str, Any]]:
    """Return the panels of a dashboard that show something, without its rows."""
    found: list[dict[str, Any]] = json.loads(dashboard.read_text())["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def queries(dashboard: Path) -> Iterator[str]:
    """Yield the queries that a dashboard asks Prometheus."""
    for panel in panels(dashboard):
        if panel["datasource"]["uid"] == "prometheus":
            yield from (target["expr"] for target in panel["targets"])


def names(query: str) -> set[str]:
    """Return the metrics that a query names; the series of a histogram by the name of the histogram."""
    found: set[str] = set(re.findall(r"\b(?:imghost|rabbitmq)[a-z0-9_:]+", re.sub(r'"[^"]*"', "", query)))
    return {re.sub(r"(_duration_seconds)_(bucket|sum|count)$", r"\1", name) for name in found}


@dataclass
class Server:
    """A Prometheus that runs, and scrapes every second."""

    url: str

    def ask(self, query: str) -> list[dict[str, Any]]:
        """Return the answer to an instant query; fail with what Prometheus says if it is none."""
        answer = requests.get(f"{self.url}/api/v1/query", params={"query": query}, timeout=30)
        assert answer.ok, f"{query}\n{answer.text}"
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire."""
        return {found["metric"]["alertname"] for found in self.ask('ALERTS{alertstate="firing"}')}

    def up(self) -> set[str]:
        """Return the jobs that were scraped at the last attempt."""
        return {found["metric"]["job"] for found in self.ask("up == 1")}


@contextmanager
def prometheus(folder: Path, ports: Mapping[str, int], times_faster: int = 1) -> Iterator[Server]:
    """Run Prometheus with its files in `folder`; it scrapes `ports`, by the name of the process, and has all rules.

    Their windows and waits are shorter by `times_faster`.
    """
    (port,) = free_ports(1, besides=tuple(ports.values()))
    folder.mkdir(exist_ok=True)
    (folder / "rules.yml").write_text(faster(RULES.read_text(), times_faster))
    scrape(folder, ports)
    configuration = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "scrape_configs": [
            {"job_name": "imghost", "file_sd_configs": [{"files": ["targets.json"], "refresh_interval": "1s"}]}
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    command = [
        program("prometheus"),
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    log = folder / "prometheus.log"
    with log.open("wb") as written, subprocess.Popen(command, stdout=written, stderr=written) as process:
        server = Server(f"http://127.0.0.1:{port}")

        def is_ready() -> bool:
            assert process.poll() is None, log.read_text()
            with suppress(requests.ConnectionError):
                return requests.get(f"{server.url}/-/ready", timeout=5).ok
            return False

        try:
            until(is_ready, 60, "Prometheus is not ready")
            yield server
        finally:
            process.kill()


def scrape(folder: Path, ports: Mapping[str, int]) -> None:
    """Have the Prometheus in `folder` scrape `ports`, by the name of the process, from the next second on."""
    targets = [{"targets": [f"127.0.0.1:{port}"], "labels": {"job": name}} for name, port in ports.items()]
    (folder / "targets.json").write_text(json.dumps(targets))


def faster(text: str, times: int) -> str:
    """Return rules whose windows and waits, and the ages that they compare with, are shorter by `times`."""
    seconds = {"m": 60, "h": 3600, "d": 86400}

    def shortened(duration: re.Match[str]) -> str:
        return f"{duration[1]}{int(duration[2]) * seconds[duration[3]] // times}s"

    text = re.sub(r"(\[|for: )(\d+)([mhd])", shortened, text)
    return re.sub(r"(age_seconds\)|timestamp_seconds\)) > (\d+)", lambda age: f"{age[1]} > {int(age[2]) / times}", text)
