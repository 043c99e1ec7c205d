"""Metrics of relays: what waits in the outbox, and what left it."""

from prometheus_client import Counter, Gauge

PUBLISHED = Counter("imghost_outbox_published_total", "Events relayed from the outbox to the broker.", ["type"])
PUBLISH_FAILURES = Counter(
    "imghost_outbox_publish_failures_total",
    "Attempts to relay an event that failed, by cause: the broker is away, or it refused the event.",
    ["cause"],
)
OUTBOX_MESSAGES = Gauge(
    "imghost_outbox_messages", "Events that the broker has not confirmed.", multiprocess_mode="livemax"
)
OUTBOX_AGE = Gauge(
    "imghost_outbox_oldest_age_seconds",
    "Age of the oldest event that the broker has not confirmed; 0 if there is none.",
    multiprocess_mode="livemax",
)

for _cause in ("away", "refused"):
    PUBLISH_FAILURES.labels(_cause)
