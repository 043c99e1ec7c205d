"""Metrics of catalog; those of every service are in the chassis."""

from prometheus_client import Counter, Gauge

PENDING_AGE = Gauge("oldest_pending_seconds", "Time that the longest pending image has been so.")
DEAD_LETTERS = Gauge("dead_letters", "Messages given up that nobody has replayed or dropped.", ["queue", "reason"])
LAST_LOOK = Gauge("watchdog_look_timestamp_seconds", "When the watchdog last saw database and broker; Unix time.")
SETTLED = Gauge("installation_settled", "0 while a restored database waits for `catalog installation`; else 1.")
REQUEUED = Counter("requeued_total", "Keys whose work the watchdog had begin anew.")
