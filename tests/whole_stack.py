"""What is seen of all processes of imghost, with a RabbitMQ and an S3, from outside: operations ports and logs."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pika
import requests
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from catalog.jobs import queues
from chassis.broker import topology
from chassis.s3 import client
from deadlines import until
from embedded.parts.ports import free_ports
from metrics_matrix import PROCESSES
from s3 import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from web_stack import BUCKET, WebStack

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

WEB = ("auth", "catalog", "gateway")
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


def scrape(port: int) -> dict[str, Metric]:
    """Return the families at an operations port that have samples, by the name that queries have for them."""
    answer = requests.get(f"http://127.0.0.1:{port}/metrics", headers=OPENMETRICS, timeout=10)
    assert answer.ok
    parsed = text_string_to_metric_families(answer.text)  # type: ignore[no-untyped-call]
    families: list[Metric] = [family for family in parsed if family.samples]
    return {f"{each.name}_total" if each.type == "counter" else each.name: each for each in families}


def total(family: Metric | None, ending: str = "", **labels: str) -> float:
    """Return the sum of the samples of `family` that are named so and have `labels`."""
    samples = family.samples if family is not None else []
    name = f"{family.name}{ending}" if family is not None else ""
    return sum(each.value for each in samples if each.name == name and labels.items() <= (each.labels or {}).items())


def children(process: "subprocess.Popen[bytes]") -> list[int]:
    """Return the ids of the processes that `process` has started."""
    tasks = Path(f"/proc/{process.pid}/task")
    return [int(number) for task in tasks.iterdir() for number in (task / "children").read_text().split()]


@dataclass
class Stack:
    """The web services with two processes each, and the ports where they show their metrics."""

    web: WebStack
    ops: dict[str, int] = field(default_factory=dict)

    def start(self, **settings: str) -> None:
        ports = free_ports(len(PROCESSES), besides=tuple(self.web.ports.values()))
        self.ops = dict(zip(PROCESSES, ports, strict=True))
        for service in WEB:
            ops = {"OPS_PORT": str(self.ops[service]), "OPS_HOST": "127.0.0.1"}
            self.web.start(service, 0, WEB_PROCESSES="2", **ops, **settings)

    def families(self, process: str) -> dict[str, Metric]:
        return scrape(self.ops[process])

    def served(self) -> float:
        """Return how many requests for an image the gateway has answered."""
        requests_of = self.families("gateway").get("imghost_http_request_duration_seconds")
        return total(requests_of, "_count", route="/api/images")


@dataclass
class Whole(Stack):
    """All processes of imghost, with a RabbitMQ and an S3."""

    s3_url: str = ""
    broker_url: str = ""
    imaging: "subprocess.Popen[bytes] | None" = None

    @property
    def s3(self) -> "S3Client":
        return client.connect(client.Access(self.s3_url, "us-east-1", ACCESS_KEY_ID, SECRET_ACCESS_KEY))

    def start_workers(self) -> None:
        for service in ("auth", "catalog"):
            ops = {"OPS_PORT": str(self.ops[f"{service}-worker"]), "OPS_HOST": "127.0.0.1"}
            self.web.start_worker(service, BROKER_URL=self.broker_url, **ops)
        self.start_imaging()

    def start_imaging(self) -> None:
        settings = {
            "IMAGING_BROKER_URL": self.broker_url,
            "IMAGING_S3_ENDPOINT_URL": self.s3_url,
            "IMAGING_S3_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "IMAGING_S3_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "IMAGING_PROCESSES": "2",
            "IMAGING_OPS_HOST": "127.0.0.1",
            "IMAGING_OPS_PORT": str(self.ops["imaging"]),
        }
        inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        with (self.web.folder / "imaging.log").open("wb") as log:
            self.imaging = subprocess.Popen(
                [self.web.program("imaging"), "worker"],
                env={**inherited, **self.web.shared, **settings},
                stdout=log,
                stderr=log,
            )

    def stop_imaging(self) -> None:
        """End imaging, if it runs."""
        process, self.imaging = self.imaging, None
        if process is not None:
            process.terminate()
            assert process.wait(30) == 0

    def logged(self, process: str) -> list[dict[str, Any]]:
        """Return the lines that a process has logged."""
        return [json.loads(line) for line in self.web.said(process).splitlines() if line.startswith("{")]

    def status(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `catalog status` with the addresses of all processes."""
        urls = {name: [f"http://127.0.0.1:{port}"] for name, port in self.ops.items()}
        urls |= {name: [self.web.url(name), *urls[name]] for name in WEB}
        settings = {"CATALOG_BROKER_URL": self.broker_url, "CATALOG_STATUS_URLS": json.dumps(urls)}
        return subprocess.run(
            [self.web.program("catalog"), "status", *words],
            env={**self.web.environment("catalog"), **settings},
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def is_ready(self, process: str) -> bool:
        with suppress(requests.ConnectionError):
            return requests.get(f"http://127.0.0.1:{self.ops[process]}/readyz", timeout=10).ok
        return False


def delete_queues(broker_url: str) -> None:
    """Delete all queues of the workers."""
    with pika.BlockingConnection(pika.URLParameters(broker_url)) as broker:
        for each in queues.ALL:
            for name in (each.name, each.dead, *(each.retry(delay_s) for delay_s in topology.RETRY_DELAYS_S)):
                broker.channel().queue_delete(name)


@contextmanager
def running(web: WebStack, broker_url: str, s3_url: str) -> Iterator[Whole]:
    """Start all processes on a prepared stack; end them, and delete their queues."""
    stack = Whole(web, s3_url=s3_url, broker_url=broker_url)
    stack.s3.create_bucket(Bucket=BUCKET)
    with ExitStack() as ends:
        ends.callback(delete_queues, broker_url)
        with pika.BlockingConnection(pika.URLParameters(broker_url)) as broker:
            for each in queues.ALL:  # what the workers declare
                topology.declare(broker.channel(), each)
        web.run("catalog", "installation", "continue")  # its database was copied
        stack.start()
        stack.start_workers()
        ends.callback(stack.stop_imaging)
        ends.callback(web.stop, "catalog-worker")
        for process in ("auth-worker", "catalog-worker", "imaging"):
            until(lambda process=process: stack.is_ready(process), 60, f"{process} is not ready")  # type: ignore[misc]
        yield stack
