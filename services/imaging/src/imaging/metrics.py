"""The metrics of imaging, beside those that every service has from the chassis."""

from prometheus_client import Gauge

REFUSED = Gauge(
    "s3_refused",
    "1 for each bucket whose jobs wait because S3 refuses it, by the code of the refusal.",
    ["bucket", "code"],
)
CONDITIONS = Gauge(
    "s3_conditions_kept",
    "1 if the server of a bucket keeps the conditions of a request, 0 if imaging has to look before it writes.",
    ["bucket", "request"],
)
