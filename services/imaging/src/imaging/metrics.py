"""The metrics of imaging, beside those that every service has from the chassis."""

from collections.abc import Mapping

from prometheus_client import Counter, Gauge, Histogram

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
# What a decoder says is not trusted: it might invent formats, each of which would be another series.
_FORMATS: Mapping[str, str] = {
    f"image/{name}": name for name in ("jpeg", "png", "webp", "gif", "avif", "tiff", "bmp", "heic")
}

DECODING = Histogram(
    "imghost_decode_duration_seconds",
    "Time in which a child process made all of a picture: thumbs, colours and placeholder, or found that it cannot; by "
    "format, unknown if there is no result.",
    ["format"],
    buckets=_BUCKETS,
)
STAGES = Histogram(
    "imghost_image_stage_duration_seconds",
    "Time of each stage of processing an image: read the original from S3, decode (with the wait for an idle child), "
    "write the thumbs to S3, answer to catalog.",
    ["stage"],
    buckets=_BUCKETS,
)
FAILURES = Counter("imghost_image_failures_total", "Images that were answered as failed, by code.", ["code"])
ORIGINALS_READ = Counter("imghost_originals_read_total", "Originals read from S3.")
ORIGINAL_BYTES = Counter("imghost_originals_read_bytes_total", "Bytes of the originals read from S3.")
ORIGINALS_DELETED = Counter("imghost_originals_deleted_total", "Originals deleted from S3, as their owners asked for.")
THUMBS_WRITTEN = Counter("imghost_thumbs_written_total", "Thumbs and display pictures written to S3.")
THUMB_BYTES = Counter("imghost_thumbs_written_bytes_total", "Bytes of the thumbs and display pictures written to S3.")
DECODERS = Gauge("imghost_decoders", "Child processes that may decode at a time.", multiprocess_mode="livesum")
DECODERS_BUSY = Gauge("imghost_decoders_busy", "Child processes that decode a picture.", multiprocess_mode="livesum")
DECODER_RESTARTS = Counter(
    "imghost_decoder_restarts_total",
    "Child processes that were replaced, by reason: crashed, cpu-time, wall-time, killed (the host lacks memory), worn "
    "(it has used much memory), idle (it ended between two pictures).",
    ["reason"],
)
REFUSED = Gauge(
    "imghost_s3_refused",
    "1 for each bucket whose jobs wait because S3 refuses it, by the code of the refusal.",
    ["bucket", "code"],
    multiprocess_mode="livemax",
)
CONDITIONS = Gauge(
    "imghost_s3_conditions_kept",
    "1 if the server of a bucket keeps the conditions of a request, 0 if imaging has to look before it writes.",
    ["bucket", "request"],
    multiprocess_mode="livemax",
)

READING, DECODING_STAGE = STAGES.labels("read"), STAGES.labels("decode")
WRITING, ANSWERING = STAGES.labels("write"), STAGES.labels("answer")
CRASHED, CPU_TIME = DECODER_RESTARTS.labels("crashed"), DECODER_RESTARTS.labels("cpu-time")
WALL_TIME, KILLED = DECODER_RESTARTS.labels("wall-time"), DECODER_RESTARTS.labels("killed")
WORN, IDLE = DECODER_RESTARTS.labels("worn"), DECODER_RESTARTS.labels("idle")


def format_of(content_type: str) -> str:
    """Return the name of the format in metrics."""
    return _FORMATS.get(content_type, "other")
