"""Metrics of consumers: queues and deliveries."""

from prometheus_client import Counter, Gauge, Histogram

# Seconds. Catalog applies an answer within milliseconds, imaging works on a picture for seconds, and messages may wait
# for hours.
_HANDLING = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_WAITING = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600)

DELIVERIES = Counter(
    "imghost_deliveries_total",
    "Messages handled, by queue and verdict: ack, retry, dead-letter.",
    ["queue", "verdict"],
)
REDELIVERIES = Counter(
    "imghost_redeliveries_total",
    "Messages that were delivered again because the worker that held them was lost.",
    ["queue"],
)
HANDLING = Histogram(
    "imghost_delivery_duration_seconds", "Time in which a message was handled.", ["queue"], buckets=_HANDLING
)
WAITING = Histogram(
    "imghost_delivery_wait_duration_seconds",
    "Time from when an event was written, the outbox included, until its message was taken for the first time.",
    ["queue"],
    buckets=_WAITING,
)
UNACKED = Gauge(
    "imghost_unacked_messages",
    "Messages that the broker has delivered to this worker, and that are not acked yet. The sum over all workers is "
    "what the broker calls unacked.",
    ["queue"],
    multiprocess_mode="livesum",
)
CONSUMING = Gauge(
    "imghost_consumer_connected",
    "1 while this worker consumes from the queue, 0 while it has no connection to the broker.",
    ["queue"],
    multiprocess_mode="livesum",
)
QUEUE_MESSAGES = Gauge(
    "imghost_queue_messages",
    "Messages in the broker, by queue and state: ready, retrying (waiting for the next attempt), dead. Those that a "
    "worker holds are in imghost_unacked_messages.",
    ["queue", "state"],
    multiprocess_mode="livemax",
)
QUEUE_CONSUMERS = Gauge("imghost_queue_consumers", "Consumers of a queue.", ["queue"], multiprocess_mode="livemax")
