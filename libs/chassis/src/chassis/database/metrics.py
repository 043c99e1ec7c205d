"""Metrics of the database, as a process sees it: its connections, and how long transactions take."""

from prometheus_client import Counter, Gauge, Histogram

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15)

CONNECTIONS = Gauge(
    "imghost_database_connections",
    "Connections to the database, by state: used by a transaction, or idle in the pool.",
    ["state"],
    multiprocess_mode="livesum",
)
CONNECTIONS_LIMIT = Gauge(
    "imghost_database_connections_limit",
    "Connections that each process may have.",
    multiprocess_mode="livemax",
)
CHECKOUTS = Histogram(
    "imghost_database_checkout_duration_seconds",
    "Time until a transaction had a connection, which was idle, came free, or was opened.",
    buckets=_BUCKETS,
)
TRANSACTIONS = Histogram(
    "imghost_database_transaction_duration_seconds",
    "Time of a transaction, by access (read, write), with the wait for a connection and its repetitions.",
    ["access"],
    buckets=_BUCKETS,
)
FAULTS = Counter(
    "imghost_database_faults_total",
    "Transactions that could not be done at once, by fault: the database does not answer (outage), no connection of "
    "the process came free in time (pool), a deadlock or serialization failure, after which it is repeated (conflict).",
    ["fault"],
)

USED, IDLE = CONNECTIONS.labels("used"), CONNECTIONS.labels("idle")
READS, WRITES = TRANSACTIONS.labels("read"), TRANSACTIONS.labels("write")
OUTAGE, POOL, CONFLICT = FAULTS.labels("outage"), FAULTS.labels("pool"), FAULTS.labels("conflict")
