"""Metrics of S3, as a process sees it."""

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from prometheus_client import Counter, Histogram

from chassis import tracing

if TYPE_CHECKING:
    from botocore.model import OperationModel
    from mypy_boto3_s3.client import S3Client

    from chassis.tracing import Span

REQUESTS = Histogram(
    "imghost_s3_request_duration_seconds",
    "Time until S3 answered a request, with its retries and without the body of the answer, by operation and status of "
    "the last answer; error if there was none.",
    ["operation", "status"],
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
RETRIES = Counter("imghost_s3_retries_total", "Requests to S3 that were sent again, by operation.", ["operation"])

_BEGAN, _SPAN = "imghost_began", "imghost_span"
_STATUSES = {status.value for status in HTTPStatus}


def measure(client: "S3Client") -> None:
    """Have all requests of `client` counted and timed, and shown in the trace of the work."""

    def begin(model: "OperationModel", context: dict[str, Any], **_more: Any) -> None:
        # Neither bucket nor key: log lines have them, for fewer eyes.
        context[_SPAN] = tracing.span(f"S3 {model.name}", "client", {"rpc.system": "aws-api", "rpc.method": model.name})
        context[_BEGAN] = time.perf_counter()

    def end(event_name: str, context: dict[str, Any], parsed: dict[str, Any] | None = None, **_more: Any) -> None:
        operation = event_name.rpartition(".")[2]
        answer = (parsed or {}).get("ResponseMetadata", {})
        status = answer.get("HTTPStatusCode")
        # A server may invent statuses; each would be another series.
        shown = "error" if status is None else str(status) if status in _STATUSES else "other"
        REQUESTS.labels(operation, shown).observe(time.perf_counter() - context[_BEGAN])
        if retries := answer.get("RetryAttempts", 0):
            RETRIES.labels(operation).inc(retries)
        span: Span = context[_SPAN]
        if status is None:
            span.fail("no answer")
        else:
            span.set("http.response.status_code", status)
        if retries:
            span.set("http.request.resend_count", retries)
        span.end()

    client.meta.events.register("before-call.s3", begin)
    client.meta.events.register("after-call.s3", end)
    client.meta.events.register("after-call-error.s3", end)
