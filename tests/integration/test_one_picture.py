"""What is seen from outside of one picture: metrics of every process, one trace through all of them, and log lines."""

import io
import json
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from PIL import Image

from catalog.jobs.queues import JOBS
from catalog.jobs.queues import RESULTS as QUEUE
from deadlines import until
from metrics_matrix import ON_OCCASION, PROCESSES, shown_by
from otlp_collector import Collector, Span, collecting
from pictures import photo
from web_stack import BUCKET, WebStack
from whole_stack import Whole, running, total


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as started:
        yield started


@pytest.fixture(scope="module")
def whole(
    prepared_web_stack: Path,
    tmp_path_factory: pytest.TempPathFactory,
    broker_url: str,
    moto_s3: str,
    collector: Collector,
) -> Iterator[Whole]:
    with WebStack.copied(prepared_web_stack, tmp_path_factory.mktemp("whole")) as web:
        web.shared |= {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        with running(web, broker_url, moto_s3) as stack:
            yield stack


REQUEST_ID = "the-upload-of-a"
SIZE = Image.open(io.BytesIO(photo())).size


@pytest.fixture(scope="module")
def busy(whole: Whole) -> Whole:
    """The stack after a picture was registered and reprocessed, and a file that is none was registered."""
    anna = whole.web.anna()

    def is_now(key: str, status: str) -> bool:
        return bool(anna.get(f"/api/i/{key}").json()["status"] == status)

    whole.s3.put_object(Bucket=BUCKET, Key="a.jpg", Body=photo())
    whole.s3.put_object(Bucket=BUCKET, Key="b.jpg", Body=b"no picture")
    for key, headers in (("a.jpg", {"X-Request-ID": REQUEST_ID}), ("b.jpg", {})):
        assert anna.post("/api/images", json={"s3_key": key}, headers=headers).status == 201
    until(lambda: is_now("a.jpg", "ready"), 60, "the image is not ready")
    until(lambda: is_now("b.jpg", "failed"), 60, "the image has not failed")
    assert anna.put("/api/images/a.jpg", json={"reprocess": True}).status == 200
    until(lambda: is_now("a.jpg", "ready"), 60, "the image is not ready again")
    return whole


def test_every_process_shows_its_metrics_and_no_others(busy: Whole) -> None:
    whole = busy

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


def end_of_trace(collector: Collector) -> Span:
    """Return the span in which the picture has become ready; all others of its trace have come, too."""

    def found() -> list[Span]:
        ends = [span for span in collector.all() if "image ready" in span.events]
        return [end for end in ends if any(not span.parent_id for span in collector.of(end.trace_id))]

    until(lambda: bool(found()), 20, "no trace has come to its end")
    (end,) = found()
    return end


@pytest.mark.usefixtures("busy")
def test_one_trace_shows_the_whole_way_of_a_picture(collector: Collector) -> None:
    end = end_of_trace(collector)
    spans = {span.span_id: span for span in collector.of(end.trace_id)}

    def way_to(span: Span) -> list[str]:
        above = spans.get(span.parent_id)
        return [*(way_to(above) if above else []), f"{span.service}: {span.name}"]

    assert way_to(end) == [
        "gateway: POST /api/images",
        "gateway: catalog",
        "catalog: POST /images",
        "catalog: database write",
        "catalog-worker: relay image.created",
        "catalog-worker: send image.created",
        "imaging: process imaging.jobs",
        "imaging: answer",
        "imaging: send image.processed",
        "catalog-worker: process catalog.results",
    ]
    named = {f"{span.service}: {span.name}": span for span in spans.values()}
    stages = ["wait in imaging.jobs", "read", "decode", "write", "answer"]
    times = [named[f"imaging: {name}"] for name in stages]
    assert [each.began for each in times] == sorted(each.began for each in times)
    assert {
        "auth: POST /tokens",
        "catalog-worker: wait in the outbox",
        "catalog-worker: wait in catalog.results",
    } <= set(named)
    assert {"imaging: S3 GetObject", "imaging: S3 PutObject", "catalog: INSERT"} <= set(named)
    assert sum(span.name == "S3 PutObject" for span in spans.values()) >= 4  # on other threads
    first = named["gateway: POST /api/images"]
    assert first.parent_id == ""
    assert first.attributes["imghost.request_id"] == REQUEST_ID


def test_all_lines_about_a_picture_have_the_id_of_its_request_and_of_its_trace(
    busy: Whole, collector: Collector
) -> None:
    trace_id = end_of_trace(collector).trace_id
    lines = {
        service: [line for line in busy.logged(service) if line.get("request_id") == REQUEST_ID]
        for service in PROCESSES
    }
    assert {service for service, found in lines.items() if found} == set(PROCESSES) - {"auth-worker"}
    for service, found in lines.items():
        assert {(line["service"], line["trace_id"]) for line in found} <= {(service, trace_id)}
    (access,) = lines["gateway"]
    assert access["event"] == "request"
    assert (access["route"], access["status"], access["client"]) == ("/api/images", 201, "127.0.0.1")
    assert access["key_id"] is None
    assert {line["user_id"] for service in ("auth", "catalog") for line in lines[service]} == {access["user_id"]}
    (done,) = lines["imaging"]
    assert done["event"] == "job done"
    shown = ("job", "s3_key", "outcome", "content_type", "width", "height", "bytes", "attempt")
    assert [done[name] for name in shown] == ["image.created", "a.jpg", "ready", "image/jpeg", *SIZE, len(photo()), 1]
    parts = [done[f"{name}_ms"] for name in ("read", "decode", "write", "answer")]
    assert min(parts) > 0
    assert sum(parts) <= done["total_ms"]
    assert done["queue_ms"] > 0
    (applied,) = lines["catalog-worker"]
    assert (applied["event"], applied["result"], applied["effect"]) == ("result applied", "processed", "applied")
    assert applied["ready_after_s"] * 1000 > done["total_ms"]


def test_line_tells_why_a_job_has_failed(busy: Whole) -> None:
    (done,) = (line for line in busy.logged("imaging") if line.get("s3_key") == "b.jpg")
    assert (done["outcome"], done["bytes"]) == ("unsupported-format", len(b"no picture"))


def test_every_line_has_the_name_of_its_process(busy: Whole) -> None:
    for process in PROCESSES:
        assert {line["service"] for line in busy.logged(process)} == {process}


def test_status_shows_what_is_up_and_what_was_done_and_failed(busy: Whole) -> None:
    told = busy.status("--json")
    assert (told.returncode, told.stderr) == (0, "")
    found = json.loads(told.stdout)
    assert found["well"] is True
    assert set(found["parts"]) == {"database", "broker", *PROCESSES}
    assert {part["version"] for name, part in found["parts"].items() if name in PROCESSES} == {
        version("imghost-catalog")
    }
    assert found["parts"]["gateway"]["requests"] > 3
    waits = ("outbox", "pending", "sent", "waiting", "dead_letters")
    assert [found["work"][name] for name in waits] == [0, 0, 0, 0, {}]
    assert found["queues"][JOBS.name] == {"ready": 0, "retrying": 0, "dead": 0, "consumers": 1}
    assert {name: counts["15m"] for name, counts in found["done"].items()} == {
        "image.created": 2,
        "image.reprocess": 1,
        "image.deleted": 0,
        "ready": 1,
        "failed": 1,
    }
    (failure,) = found["failures"]
    assert (failure["code"], failure["count"], failure["last_key"]) == ("unsupported-format", 1, "b.jpg")
    shown = busy.status().stdout
    for text in ("all is well", "up    imaging", "registered", "unsupported-format", "b.jpg"):
        assert text in shown


def test_status_tells_who_is_down(busy: Whole) -> None:
    """The last test: it ends imaging."""
    busy.stop_imaging()

    def nobody_works() -> bool:
        return "nobody takes messages from imaging.jobs" in busy.status().stdout

    until(nobody_works, 20, "the queue still has a consumer")
    told = busy.status()
    assert told.returncode == 1
    assert "NOT WELL" in told.stdout
    assert re.search(r"^DOWN  imaging .*Connection refused", told.stdout, re.MULTILINE)
    assert "up    gateway" in told.stdout
