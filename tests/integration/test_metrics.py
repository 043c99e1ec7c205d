"""Every process, started as it is deployed, shows its metrics at its operations port, with all of its web processes."""

import http.client
import os
import re
import signal
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pika
import pytest
import requests
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from catalog.worker import JOBS, QUEUE
from chassis.broker import topology
from chassis.s3 import client
from deadlines import until
from embedded.parts.ports import free_ports
from metrics_matrix import ON_OCCASION, PROCESSES, shown_by
from pictures import photo
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


@pytest.fixture
def stack(web_stack: WebStack) -> Stack:
    return Stack(web_stack)


# --- web processes ---


def test_port_shows_the_sum_over_all_web_processes(stack: Stack) -> None:
    stack.start()
    anna = stack.web.anna()
    answers = Counter(anna.get("/api/images").status for _ in range(20))
    answers[anna.get("/api/images/none").status] += 1
    answers[anna.get("/nothing").status] += 1
    assert answers == {200: 20, 404: 2}
    requests_of = stack.families("gateway")["imghost_http_request_duration_seconds"]
    assert total(requests_of, "_count", method="GET", route="/api/images", status="2xx") == 20
    assert total(requests_of, "_count", route="/api/images/<key:s3_key>", status="4xx") == 1
    assert total(requests_of, "_count", method="other", route="none", status="4xx") == 1
    assert total(stack.families("auth").get("imghost_http_request_duration_seconds"), "_count", route="/tokens") == 21
    of_catalog = stack.families("catalog").get("imghost_http_request_duration_seconds")
    assert total(of_catalog, "_count", route="/images", status="2xx") == 20
    calls = stack.families("gateway")["imghost_service_call_duration_seconds"]
    assert (total(calls, "_count", service="auth"), total(calls, "_count", service="catalog")) == (21, 21)
    hashes = stack.families("auth")["imghost_password_hash_duration_seconds"]
    assert 1 <= total(hashes, "_count", purpose="verify") <= 2  # each process remembers a right password
    assert total(stack.families("auth")["imghost_authentications_total"], "_total", outcome="ok") == 21


def test_counts_of_web_processes_that_were_killed_are_kept_and_their_gauges_are_not(stack: Stack) -> None:
    stack.start()
    anna = stack.web.anna()
    for _ in range(6):
        assert anna.get("/api/images").status == 200
    gateway = stack.web.processes["gateway"]

    def connections() -> float:
        return total(stack.families("gateway").get("imghost_client_connections"))

    with socket.create_connection(("127.0.0.1", stack.web.ports["gateway"]), timeout=10) as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\n")  # and nothing more
        until(lambda: connections() == 2, 5, "this connection and that of the client are not shown")
        killed = children(gateway)
        assert len(killed) == 2
        for process in killed:
            os.kill(process, signal.SIGKILL)
        until(lambda: len(set(children(gateway)) - set(killed)) == 2, 20, "the processes are not replaced")
    until(lambda: connections() == 0, 10, "connections of processes that have ended are shown")
    assert stack.served() == 6
    until(lambda: requests.get(f"{stack.web.url()}/healthz", timeout=20).ok, 20, "the new processes do not answer")
    assert stack.web.anna().get("/api/images").status == 200
    assert stack.served() == 7


def test_nothing_is_left_of_the_metrics_when_a_service_ends(stack: Stack) -> None:
    stack.start()
    process = stack.web.processes.pop("catalog")
    mapped = Path(f"/proc/{children(process)[0]}/maps").read_text()
    (folder,) = {Path(found) for found in re.findall(r"\S*/imghost-metrics-[^/\s]+", mapped)}
    assert folder.is_dir()
    process.terminate()
    assert process.wait(30) == 0
    assert not folder.exists()


def test_wrong_passwords_and_unreadable_requests_are_counted_by_reason(stack: Stack) -> None:
    stack.start(FREE_FAILURES="1")
    guesser = requests.Session()
    statuses = [
        guesser.get(f"{stack.web.url()}/api/images", auth=("anna", "wrong"), timeout=10).status_code for _ in range(3)
    ]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    auth = stack.families("auth")
    assert total(auth["imghost_throttled_requests_total"], "_total", reason="account") == statuses.count(429)
    outcomes = auth["imghost_authentications_total"]
    assert total(outcomes, "_total", outcome="unauthorized") == statuses.count(401)
    assert total(outcomes, "_total", outcome="too-many-attempts") == statuses.count(429)
    connection = http.client.HTTPConnection("127.0.0.1", stack.web.ports["gateway"], timeout=10)
    connection.putrequest("GET", "/healthz", skip_host=True)
    connection.endheaders()
    assert connection.getresponse().status == 400
    connection.close()
    refused = stack.families("gateway")["imghost_refused_requests_total"]
    until(lambda: total(refused, "_total", reason="unreadable") == 1, 5, "the request is not counted")


# --- all processes ---


@dataclass
class Whole(Stack):
    """All processes of imghost, with a RabbitMQ and an S3."""

    s3_url: str = ""
    broker_url: str = ""

    @property
    def s3(self) -> "S3Client":
        return client.connect(client.Access(self.s3_url, "us-east-1", ACCESS_KEY_ID, SECRET_ACCESS_KEY))

    def start_workers(self) -> "subprocess.Popen[bytes]":
        for service in ("auth", "catalog"):
            ops = {"OPS_PORT": str(self.ops[f"{service}-worker"]), "OPS_HOST": "127.0.0.1"}
            self.web.start_worker(service, BROKER_URL=self.broker_url, **ops)
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
            return subprocess.Popen(
                [self.web.program("imaging"), "worker"], env={**inherited, **settings}, stdout=log, stderr=log
            )

    def is_ready(self, process: str) -> bool:
        with suppress(requests.ConnectionError):
            return requests.get(f"http://127.0.0.1:{self.ops[process]}/readyz", timeout=10).ok
        return False


@pytest.fixture
def whole(web_stack: WebStack, broker_url: str, moto_s3: str) -> Iterator[Whole]:
    stack = Whole(web_stack, s3_url=moto_s3, broker_url=broker_url)
    stack.s3.create_bucket(Bucket=BUCKET)
    broker = pika.BlockingConnection(pika.URLParameters(broker_url))
    with ExitStack() as ends:
        ends.callback(broker.close)
        channel = broker.channel()
        for each in (JOBS, QUEUE):  # what the workers declare
            topology.declare(channel, each)
            for name in (each.name, each.dead, *(each.retry(delay_s) for delay_s in topology.RETRY_DELAYS_S)):
                ends.callback(channel.queue_delete, name)
        web_stack.run("catalog", "installation", "continue")  # its database was copied
        stack.start()
        imaging = stack.start_workers()
        ends.callback(imaging.wait, 30)
        ends.callback(imaging.terminate)
        ends.callback(web_stack.stop, "catalog-worker")
        for process in ("auth-worker", "catalog-worker", "imaging"):
            until(lambda process=process: stack.is_ready(process), 60, f"{process} is not ready")  # type: ignore[misc]
        yield stack


def test_every_process_shows_its_metrics_and_no_others(whole: Whole) -> None:
    anna = whole.web.anna()

    def is_now(key: str, status: str) -> bool:
        return bool(anna.get(f"/api/i/{key}").json()["status"] == status)

    whole.s3.put_object(Bucket=BUCKET, Key="a.jpg", Body=photo())
    whole.s3.put_object(Bucket=BUCKET, Key="b.jpg", Body=b"no picture")
    for key in ("a.jpg", "b.jpg"):
        assert anna.post("/api/images", json={"s3_key": key}).status == 201
    until(lambda: is_now("a.jpg", "ready"), 60, "the image is not ready")
    until(lambda: is_now("b.jpg", "failed"), 60, "the image has not failed")
    assert anna.put("/api/images/a.jpg", json={"reprocess": True}).status == 200
    until(lambda: is_now("a.jpg", "ready"), 60, "the image is not ready again")

    def watchdog_has_looked() -> bool:
        return "imghost_queue_consumers" in whole.families("catalog-worker")

    until(watchdog_has_looked, 60, "the watchdog has not looked")
    until(lambda: whole.families("auth-worker"), 10, "the worker of auth shows nothing")
    for process in PROCESSES:
        shown = {name for name in whole.families(process) if name.startswith("imghost_")}
        assert shown - shown_by(process) == set(), process
        assert shown_by(process) - shown - ON_OCCASION == set(), process

    catalog, imaging = whole.families("catalog-worker"), whole.families("imaging")
    # Neither what failed nor what was reprocessed was waited for until it was ready.
    assert total(catalog["imghost_image_ready_duration_seconds"], "_count") == 1
    assert [each.exemplar for each in catalog["imghost_image_ready_duration_seconds"].samples if each.exemplar]
    results = catalog["imghost_image_results_total"]
    assert total(results, "_total", result="processed", effect="applied") == 2
    assert total(results, "_total", result="failed", effect="applied") == 1
    assert total(imaging["imghost_image_failures_total"], "_total", code="unsupported-format") == 1
    assert total(imaging["imghost_decode_duration_seconds"], "_count", format="jpeg") == 2
    assert total(imaging["imghost_decode_duration_seconds"], "_count", format="unknown") == 1
    assert total(imaging["imghost_originals_read_total"], "_total") == 3
    assert total(imaging["imghost_originals_read_bytes_total"], "_total") == 2 * len(photo()) + len(b"no picture")
    assert total(imaging["imghost_thumbs_written_total"], "_total") == 8
    assert total(imaging["imghost_s3_request_duration_seconds"], "_count", operation="PutObject", status="200") >= 8
    assert total(imaging["imghost_deliveries_total"], "_total", queue=JOBS.name, verdict="ack") == 3
    assert total(imaging["imghost_delivery_wait_duration_seconds"], "_count", queue=JOBS.name) == 3
    assert total(catalog["imghost_deliveries_total"], "_total", queue=QUEUE.name, verdict="ack") == 3
    assert total(imaging["imghost_consumer_connected"], queue=JOBS.name) == 1
    assert total(imaging["imghost_unacked_messages"]) == 0
    assert total(imaging["imghost_decoders"]) == 2
    assert total(catalog["imghost_queue_consumers"], queue=JOBS.name) == 1
    assert total(catalog["imghost_outbox_published_total"], "_total") == 3
