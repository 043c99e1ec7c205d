"""Metrics of catalog; those of every service are in the chassis."""

from prometheus_client import Counter, Gauge

PENDING_AGE = Gauge("oldest_pending_seconds", "Seconds that the longest pending image has been pending.")
DEAD_LETTERS = Gauge("dead_letters", "Dead letters that no operator has replayed or dropped.", ["queue", "reason"])
LAST_LOOK = Gauge(
    "watchdog_look_timestamp_seconds", "Unix time at which the watchdog last reached database and broker."
)
SETTLED = Gauge("installation_settled", "0 while a restored database waits for `catalog installation`, else 1.")
REQUEUED = Counter("requeued_total", "Keys whose work the watchdog has restarted.")
