"""The environment variables of OpenTelemetry, which it reads by itself; here is read only whether there is a collector.

opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables
"""

import os

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def name_a_collector() -> bool:
    """Return whether traces are to be sent."""
    exporters = os.environ.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"
    return (
        any(os.environ.get(name, "").strip() for name in _ENDPOINTS)
        and os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() != "true"
        and "otlp" in exporters.split(",")
    )


def name_another_protocol() -> str | None:
    """Return the protocol that traces are to be sent by, if it is not the one that they are sent by."""
    wanted = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    return wanted if wanted not in {None, "", "http/protobuf"} else None


def name_service() -> bool:
    """Return whether they say by which name the process is to be shown."""
    attributes = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return bool(os.environ.get("OTEL_SERVICE_NAME")) or "service.name=" in attributes
