"""Metrics of all web processes: rate, errors and duration of requests by route."""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Histogram(
    "imghost_http_request_duration_seconds",
    "Time from when the application begins with a request until its answer is made, by route and class of status, as "
    "2xx. Route none: there is no such path or method.",
    ["method", "route", "status"],
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20),
)
IN_PROGRESS = Gauge(
    "imghost_http_requests_in_progress",
    "Requests that the application works on.",
    multiprocess_mode="livesum",
)
CLOCKS_APART = Counter(
    "imghost_clocks_apart_total",
    "Requests that auth or catalog answered with 503, since the clock of auth and its own are a minute apart.",
)
