"""The metric that every process has.

The others are declared beside the code that they are of, in modules whose names end with `metrics`. A process shows
those of the modules that it has imported.
Names follow prometheus.io/docs/practices/naming. Labels have few values, none of which a client can invent: each series
takes memory until its process ends. The modes of gauges begin with `live`, so that web processes which have ended are
not counted.
"""

import platform
from importlib.metadata import version

from prometheus_client import Gauge

BUILD = Gauge(
    "imghost_build_info",
    "1, with the service, its version and that of Python.",
    ["service", "version", "python"],
    multiprocess_mode="livemax",
)


def show_build(service: str, package: str) -> None:
    """Show that this process is of `service`, in the version of the distribution `package`."""
    BUILD.labels(service, version(package), platform.python_version()).set(1)
