"""Metrics of the web processes of auth: logins, the hashing of passwords, and throttling."""

from prometheus_client import Counter, Gauge, Histogram

AUTHENTICATIONS = Counter(
    "imghost_authentications_total",
    "Credentials that were looked at, by outcome: ok, or the code of the refusal.",
    ["outcome"],
)
HASHES = Gauge(
    "imghost_password_hashes",
    "Passwords that are hashed (running) or wait for that (waiting).",
    ["state"],
    multiprocess_mode="livesum",
)
HASHING = Histogram(
    "imghost_password_hash_duration_seconds",
    "Time in which a password was hashed, to verify it (verify) or since it is new (new), without the wait before.",
    ["purpose"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
SHED = Counter(
    "imghost_password_hashes_shed_total",
    "Passwords that were not hashed, by reason: too many wait (full), or the hash would come too late (late).",
    ["reason"],
)
THROTTLED = Counter(
    "imghost_throttled_requests_total",
    "Requests refused with 429, by what there were too many of: wrong passwords for an account (account) or of a "
    "source (source), unknown API keys of a source (keys), known credentials of a user that are refused (refused), "
    "requests or writes of a user (requests, writes).",
    ["reason"],
)


def begin_at_zero() -> None:
    """Show what has not happened yet as 0: a counter that begins with its first event hides it from rates."""
    for state in ("waiting", "running"):
        HASHES.labels(state)
    for reason in ("full", "late"):
        SHED.labels(reason)
    for reason in ("account", "source", "keys", "refused", "requests", "writes"):
        THROTTLED.labels(reason)
