"""Metrics of catalog; those of every service are in the chassis."""

from prometheus_client import Counter, Gauge

PENDING_AGE = Gauge("oldest_pending_seconds", "Time that the longest pending image has been so.")
DEAD_LETTERS = Gauge("dead_letters", "Messages given up that nobody has replayed or dropped.", ["queue", "reason"])
REQUEUED = Counter("requeued_total", "Jobs and images that the watchdog queued again.")
