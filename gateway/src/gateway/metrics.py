"""Metrics of the gateway: calls to the services, refusals, and what waits in front of them."""

import time
from types import TracebackType

from prometheus_client import Counter, Gauge, Histogram

CALLS = Histogram(
    "imghost_service_call_duration_seconds",
    "Time of a call to a service, with the wait for a place and repetitions, by class of status, as 2xx; unanswered if "
    "it did not answer in time, or not as it should.",
    ["service", "status"],
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20),
)
CALLS_IN_PROGRESS = Gauge(
    "imghost_service_calls_in_progress",
    "Calls to a service, those that wait for a place included.",
    ["service"],
    multiprocess_mode="livesum",
)
CALL_RETRIES = Counter("imghost_service_call_retries_total", "Requests to a service that were sent again.", ["service"])
REFUSED = Counter(
    "imghost_refused_requests_total",
    "Requests refused before the application began, which are not in imghost_http_request_duration_seconds. With 503: "
    "all connections are in use (connections), too many wait for their turn (turns), too many are in progress "
    "(progress), too many passwords wait (passwords). With 4xx: it cannot be read (unreadable). With 500: a defect "
    "(failed).",
    ["reason"],
)
CONNECTIONS = Gauge("imghost_client_connections", "Connections of clients.", multiprocess_mode="livesum")
DROPPED = Counter(
    "imghost_client_connections_dropped_total",
    "Connections of clients that were closed because others needed their place, or too much was unsent.",
)
TURNS_WAITING = Gauge(
    "imghost_turns_waiting",
    "Requests that wait for their turn, by line: health checks (first), others (next), those not read yet (reading), "
    "and those of clients that do not wait for answers (last).",
    ["line"],
    multiprocess_mode="livesum",
)
PASSWORD_CHECKS = Gauge(
    "imghost_password_checks",
    "Passwords that auth is asked about (running), or that wait for that: of sources without failures (first), of "
    "others (others).",
    ["state"],
    multiprocess_mode="livesum",
)

NO_CONNECTION, NO_TURN = REFUSED.labels("connections"), REFUSED.labels("turns")
PROGRESS, PASSWORDS = REFUSED.labels("progress"), REFUSED.labels("passwords")
UNREADABLE, FAILED = REFUSED.labels("unreadable"), REFUSED.labels("failed")
CHECKS_RUNNING = PASSWORD_CHECKS.labels("running")
CHECKS_FIRST, CHECKS_OTHERS = PASSWORD_CHECKS.labels("first"), PASSWORD_CHECKS.labels("others")
for _service in ("auth", "catalog"):
    CALL_RETRIES.labels(_service)


class Call:
    """Counts and times a call to `service` in its body, which sets `status` once there is an answer."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._began = 0.0
        self.status: int | None = None

    def __enter__(self) -> None:
        self._began = time.perf_counter()
        CALLS_IN_PROGRESS.labels(self._service).inc()

    def __exit__(
        self, _kind: type[BaseException] | None, _fault: BaseException | None, _where: TracebackType | None
    ) -> None:
        CALLS_IN_PROGRESS.labels(self._service).dec()
        status = "unanswered" if self.status is None else f"{self.status // 100}xx"
        CALLS.labels(self._service, status).observe(time.perf_counter() - self._began)
