"""What traces cost a request: a public GET of an image, with one trace in a hundred kept, and without any.

`make bench-traces` prints the CPU time that the gateway and catalog take for a request on two stacks that run side by
side and are measured in turns, so that other work on the machine is in both.
"""

import http.client
import math
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from otlp_collector import collecting
from processes import children, cpu_s
from web_stack import WebStack

TARGET = "/api/i/none.jpg"  # an answer that the gateway keeps for a moment would cost nothing at all
SENT, ROUNDS = 200, 300
SERVICES = ("gateway", "catalog")


@contextmanager
def measuring(prepared: Path, **variables: str) -> Iterator[Callable[[], float]]:
    """Run a stack; yield a function that sends requests and returns the CPU time of one, in microseconds."""
    with tempfile.TemporaryDirectory() as folder, WebStack.copied(prepared, Path(folder)) as stack:
        stack.shared = variables
        stack.start_all()
        connection = http.client.HTTPConnection("127.0.0.1", stack.ports["gateway"], timeout=30)
        measured = [process for name in SERVICES for process in children(stack.processes[name].pid)]

        def measure() -> float:
            before = sum(map(cpu_s, measured))
            for _ in range(SENT):
                connection.request("GET", TARGET)
                connection.getresponse().read()
            return (sum(map(cpu_s, measured)) - before) / SENT * 1e6

        measure()
        yield measure
        connection.close()


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        prepared = Path(folder)
        WebStack(prepared).prepare()
        collector = running.enter_context(collecting())
        sampled = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": "0.01",
        }
        without = running.enter_context(measuring(prepared))
        traced = running.enter_context(measuring(prepared, **sampled))
        pairs = [(without(), traced()) if number % 2 else (traced(), without())[::-1] for number in range(ROUNDS)]
    off, on = statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)
    more = [after / before - 1 for before, after in pairs]
    error = statistics.stdev(more) / math.sqrt(ROUNDS)
    print(f"without traces {off:.0f} us of CPU time a request, with 1 % of them kept {on:.0f} us (medians):")  # noqa: T201
    print(f"{statistics.median(more):+.1%} in the median, {statistics.mean(more):+.1%} on average, +-{error:.1%}")  # noqa: T201


if __name__ == "__main__":
    main()
