"""What the metrics of a request cost: those that the gateway and catalog keep of a public GET of an image.

`make bench-metrics` prints the CPU time that a request takes for its metrics, kept in shared files as in web processes,
and beside it the CPU time of the whole request, measured on running services.
"""

import http.client
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name

from chassis import shared_metrics
from processes import children, cpu_s
from web_stack import WebStack

TIMES = 20_000
SENT = 3_000
TARGET = "/api/i/none.jpg"


def keeping() -> dict[str, Callable[[], None]]:
    """Return functions that keep what gateway and catalog keep of one request."""
    shared_metrics.share()  # before anything imports prometheus_client
    web, database, gateway = map(resolve_name, ("chassis.web.metrics", "chassis.database.metrics", "gateway.metrics"))

    def of_a_service(route: str) -> None:
        web.IN_PROGRESS.inc()
        web.REQUESTS.labels("GET", route, "4xx").observe(0.002)
        web.IN_PROGRESS.dec()

    def of_the_gateway() -> None:
        call = gateway.Call("catalog")
        with call:
            call.status = 404
        of_a_service("/api/i/<key:s3_key>")

    def of_catalog() -> None:
        with database.READS.time(), database.CHECKOUTS.time():
            database.USED.inc()
            database.IDLE.dec()
        database.USED.dec()
        database.IDLE.inc()
        of_a_service("/public/image")

    return {"gateway": of_the_gateway, "catalog": of_catalog}


def cost_us(keep: Callable[[], None]) -> float:
    """Return the CPU time that `keep` takes, in microseconds: the least of several runs."""

    def run() -> float:
        began = time.process_time()
        for _ in range(TIMES):
            keep()
        return (time.process_time() - began) / TIMES * 1e6

    return min(run() for _ in range(5))


def requests_us() -> dict[str, float]:
    """Return the CPU time that the processes of each service take for one GET of an image, in microseconds."""
    with tempfile.TemporaryDirectory() as prepared, tempfile.TemporaryDirectory() as folder:
        WebStack(Path(prepared)).prepare()
        with WebStack.copied(Path(prepared), Path(folder)) as stack:
            stack.start_all()
            connection = http.client.HTTPConnection("127.0.0.1", stack.ports["gateway"], timeout=30)

            def used() -> dict[str, float]:
                of_service = {name: children(stack.processes[name].pid) for name in ("gateway", "catalog")}
                return {name: sum(map(cpu_s, processes)) for name, processes in of_service.items()}

            def send(times: int) -> None:
                for _ in range(times):
                    connection.request("GET", TARGET)
                    connection.getresponse().read()

            send(SENT // 10)
            before = used()
            send(SENT)
            after = used()
            connection.close()
            return {name: (after[name] - before[name]) / SENT * 1e6 for name in after}


def main() -> None:
    """Print the figures."""
    whole = requests_us()
    for name, keep in keeping().items():
        cost = cost_us(keep)
        share = cost / whole[name]
        print(f"{name}: metrics {cost:.1f} us of {whole[name]:.0f} us of CPU time a request, {share:.1%}")  # noqa: T201


if __name__ == "__main__":
    main()
