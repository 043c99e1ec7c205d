"""Metrics of all services. Those of one service are declared in its own module `metrics`."""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Histogram(
    "http_request_seconds",
    "Time from the first byte of a request to the last of its answer, by route and status.",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
DELIVERIES = Counter("deliveries_total", "Messages handled, by queue and verdict.", ["queue", "verdict"])
QUEUE_DEPTH = Gauge(
    "queue_messages", "Messages in the broker, by queue and state: ready, retrying, dead.", ["queue", "state"]
)
PUBLISHED = Counter("outbox_published_total", "Events relayed from the outbox to the broker.", ["type"])
OUTBOX_AGE = Gauge(
    "outbox_oldest_seconds",
    "Age of the oldest event that the broker has not confirmed.",
    multiprocess_mode="max",
)
