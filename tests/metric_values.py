"""What the metrics of this process show."""

from prometheus_client import REGISTRY


def shown(sample: str, **labels: str) -> float:
    """Return the value of a sample, 0 if there is none yet."""
    return REGISTRY.get_sample_value(sample, labels) or 0.0
