"""Which process shows which metric. tests/integration/test_metrics.py reads all of it; docs/metrics.md shows it.

`WHERE` has a row for each metric that the code declares, in modules whose names end with `metrics`.
"""

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

ROOT = Path(__file__).parents[1]
GATEWAY, AUTH, AUTH_WORKER = "gateway", "auth", "auth-worker"
CATALOG, CATALOG_WORKER, IMAGING = "catalog", "catalog-worker", "imaging"
WEB = (GATEWAY, AUTH, CATALOG)
DATABASE = (AUTH, AUTH_WORKER, CATALOG, CATALOG_WORKER)
CONSUMERS = (CATALOG_WORKER, IMAGING)
RELAYS = (AUTH_WORKER, CATALOG_WORKER)
PROCESSES = (GATEWAY, AUTH, AUTH_WORKER, CATALOG, CATALOG_WORKER, IMAGING)

WHERE: Mapping[str, tuple[str, ...]] = {
    "imghost_build_info": PROCESSES,
    "imghost_http_request_duration_seconds": WEB,
    "imghost_http_requests_in_progress": WEB,
    "imghost_clocks_apart_total": WEB,
    "imghost_deliveries_total": CONSUMERS,
    "imghost_redeliveries_total": CONSUMERS,
    "imghost_delivery_duration_seconds": CONSUMERS,
    "imghost_delivery_wait_duration_seconds": CONSUMERS,
    "imghost_unacked_messages": CONSUMERS,
    "imghost_consumer_connected": CONSUMERS,
    "imghost_queue_messages": (CATALOG_WORKER,),
    "imghost_queue_consumers": (CATALOG_WORKER,),
    "imghost_outbox_published_total": RELAYS,
    "imghost_outbox_publish_failures_total": RELAYS,
    "imghost_outbox_messages": RELAYS,
    "imghost_outbox_oldest_age_seconds": RELAYS,
    "imghost_database_connections": DATABASE,
    "imghost_database_connections_limit": DATABASE,
    "imghost_database_checkout_duration_seconds": DATABASE,
    "imghost_database_transaction_duration_seconds": DATABASE,
    "imghost_database_faults_total": DATABASE,
    "imghost_s3_request_duration_seconds": (IMAGING,),
    "imghost_s3_retries_total": (IMAGING,),
    "imghost_authentications_total": (AUTH,),
    "imghost_password_hashes": (AUTH,),
    "imghost_password_hash_duration_seconds": (AUTH,),
    "imghost_password_hashes_shed_total": (AUTH,),
    "imghost_throttled_requests_total": (AUTH,),
    "imghost_image_ready_duration_seconds": (CATALOG_WORKER,),
    "imghost_image_results_total": (CATALOG_WORKER,),
    "imghost_pending_images": (CATALOG_WORKER,),
    "imghost_pending_images_oldest_age_seconds": (CATALOG_WORKER,),
    "imghost_dead_letters": (CATALOG_WORKER,),
    "imghost_watchdog_look_timestamp_seconds": (CATALOG_WORKER,),
    "imghost_watchdog_restarted_keys_total": (CATALOG_WORKER,),
    "imghost_installation_settled": (CATALOG_WORKER,),
    "imghost_service_call_duration_seconds": (GATEWAY,),
    "imghost_service_calls_in_progress": (GATEWAY,),
    "imghost_service_call_retries_total": (GATEWAY,),
    "imghost_refused_requests_total": (GATEWAY,),
    "imghost_client_connections": (GATEWAY,),
    "imghost_client_connections_dropped_total": (GATEWAY,),
    "imghost_turns_waiting": (GATEWAY,),
    "imghost_password_checks": (GATEWAY,),
    "imghost_decode_duration_seconds": (IMAGING,),
    "imghost_image_stage_duration_seconds": (IMAGING,),
    "imghost_image_failures_total": (IMAGING,),
    "imghost_originals_read_total": (IMAGING,),
    "imghost_originals_read_bytes_total": (IMAGING,),
    "imghost_originals_deleted_total": (IMAGING,),
    "imghost_thumbs_written_total": (IMAGING,),
    "imghost_thumbs_written_bytes_total": (IMAGING,),
    "imghost_decoders": (IMAGING,),
    "imghost_decoders_busy": (IMAGING,),
    "imghost_decoder_restarts_total": (IMAGING,),
    "imghost_s3_refused": (IMAGING,),
    "imghost_s3_conditions_kept": (IMAGING,),
}
# Their labels are known only when it happens: such a metric is missing until then.
ON_OCCASION = {
    "imghost_dead_letters",
    "imghost_outbox_published_total",
    "imghost_s3_refused",
    "imghost_s3_retries_total",
}
TYPES: Mapping[type[MetricWrapperBase], str] = {Counter: "counter", Gauge: "gauge", Histogram: "histogram"}


def modules() -> Iterator[ModuleType]:
    """Yield all modules that declare metrics."""
    for source in ("libs/chassis", "gateway", "services/auth", "services/catalog", "services/imaging"):
        folder = ROOT / source / "src"
        for file in sorted(folder.rglob("*metrics.py")):
            module = import_module(".".join(file.relative_to(folder).with_suffix("").parts))
            if any(declared(module)):
                yield module


def declared(module: ModuleType) -> Iterator[MetricWrapperBase]:
    """Yield the metrics that `module` declares, in this order."""
    for value in vars(module).values():
        # Children have the values of the labels.
        if isinstance(value, MetricWrapperBase) and not value._labelvalues:  # noqa: SLF001 - nothing else tells them apart
            yield value


def name_of(metric: MetricWrapperBase) -> str:
    """Return the name of `metric` in queries; that of a histogram has no ending."""
    family = next(iter(metric.describe()))
    return f"{family.name}_total" if family.type == "counter" else family.name


def shown_by(process: str) -> set[str]:
    """Return the names of the metrics that `process` shows."""
    return {name for name, processes in WHERE.items() if process in processes}


def all_declared(given: Iterable[ModuleType]) -> list[MetricWrapperBase]:
    """Return the metrics that the modules `given` declare."""
    return [metric for module in given for metric in declared(module)]
