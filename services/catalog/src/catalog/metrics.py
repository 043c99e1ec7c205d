"""Metrics of the worker of catalog; those of every service are in the chassis."""

from prometheus_client import Counter, Gauge, Histogram

READY = Histogram(
    "imghost_image_ready_duration_seconds",
    "Time from the registration of an image, which is answered with 201, until it was ready. Images that failed before "
    "they were ready are left out, and so is reprocessing.",
    buckets=(0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 900, 3600, 14400),
)
RESULTS = Counter(
    "imghost_image_results_total",
    "Results of jobs: processed, failed, thumbs-deleted by imaging, given-up here after a dead letter; and what each "
    "has changed: applied, repeated, different, late, behind-bucket.",
    ["result", "effect"],
)
PENDING = Gauge("imghost_pending_images", "Images that are pending.", multiprocess_mode="livemax")
PENDING_AGE = Gauge(
    "imghost_pending_images_oldest_age_seconds",
    "Time for which the longest pending image has been pending; 0 if there is none.",
    multiprocess_mode="livemax",
)
DEAD_LETTERS = Gauge(
    "imghost_dead_letters",
    "Dead letters that no operator has replayed or dropped.",
    ["queue", "reason"],
    multiprocess_mode="livemax",
)
LAST_LOOK = Gauge(
    "imghost_watchdog_look_timestamp_seconds",
    "Unix time at which the watchdog last reached database and broker.",
    multiprocess_mode="livemax",
)
RESTARTED = Counter("imghost_watchdog_restarted_keys_total", "Keys whose work the watchdog has restarted.")
SETTLED = Gauge(
    "imghost_installation_settled",
    "0 while a restored database waits for `catalog installation`, else 1.",
    multiprocess_mode="livemax",
)
