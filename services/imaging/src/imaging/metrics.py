"""Metrics of imaging; those of every service are in the chassis."""

from prometheus_client import Gauge

REFUSED = Gauge("s3_refused", "1 for each bucket whose jobs wait since S3 refuses it, by its code.", ["bucket", "code"])
CONDITIONS = Gauge(
    "s3_conditions_kept",
    "1 where the server behind a bucket keeps the conditions of a request, 0 where imaging looks first instead.",
    ["bucket", "request"],
)
