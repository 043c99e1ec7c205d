"""What each process takes for an operation: CPU time, which does not depend on what else the machine does.

`make bench-capacity` runs the whole service in containers, sends some hundred of each operation, and divides the CPU
time of each container by their number. What a container takes while nothing is asked is measured first, and left out.
The images are those of `make images`. The table goes to benchmarks/results/capacity.json.
"""

import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import boto3
from tabulate import tabulate
from testcontainers.core.docker_client import DockerClient

from benchmarks.photos import encoded, photo
from imghost import Client
from imghost.testing import ImghostStack

RESULTS = Path(__file__).parent / "results" / "capacity.json"
PROCESSES = ("gateway", "auth", "catalog", "catalog-worker", "imaging", "postgres", "rabbitmq", "s3")
IDLE_S = 20.0
CLIENTS = 4
READS = 2000
PICTURES = {"0.3 MP": (640, 480, 400), "2 MP": (1920, 1080, 200), "12 MP": (4000, 3000, 100)}
"""Width, height, and how many of them."""


@dataclass(frozen=True)
class Cost:
    """CPU time in milliseconds that each process takes for one `operation`."""

    operation: str
    count: int
    cpu_ms: Mapping[str, float]


class Meter:
    """Reads the CPU time of the containers of a stack, of all replicas of a process together."""

    def __init__(self, project: str) -> None:
        found = DockerClient().client.containers.list(filters={"label": f"com.docker.compose.project={project}"})
        services = [each.labels["com.docker.compose.service"] for each in found]
        self._containers = [each for each in zip(services, found, strict=True) if each[0] in PROCESSES]
        self._idle: Mapping[str, float] = {}

    def read(self) -> tuple[float, Mapping[str, float]]:
        """Return the time, and the CPU time of each process until now, both in seconds."""
        used = dict.fromkeys(PROCESSES, 0.0)
        with ThreadPoolExecutor(len(self._containers)) as pool:
            stats = pool.map(lambda each: each[1].stats(stream=False), self._containers)
            for (name, _), found in zip(self._containers, stats, strict=True):
                used[name] += found["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9
        return time.monotonic(), used

    def rest(self) -> None:
        """Measure what they take while nothing is asked."""
        self._idle = {}
        began, before = self.read()
        time.sleep(IDLE_S)
        ended, after = self.read()
        self._idle = {name: (after[name] - before[name]) / (ended - began) for name in after}

    def cost(self, operation: str, count: int, do: Callable[[int], object], until: Callable[[], object]) -> Cost:
        """Return what `count` calls of `do` have taken, by several clients, `until` what they have begun has ended."""
        began, before = self.read()
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(do, range(count)))
        until()
        ended, after = self.read()
        idle = {name: self._idle[name] * (ended - began) for name in after}
        taken = {name: (after[name] - before[name] - idle[name]) / count * 1000 for name in after}
        return Cost(operation, count, {name: round(max(ms, 0.0), 2) for name, ms in taken.items()})


def measure(stack: ImghostStack) -> list[Cost]:
    """Return what the operations of the service take."""
    s3 = boto3.client(
        "s3",
        endpoint_url=stack.s3_endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=stack.s3_access_key_id,
        aws_secret_access_key=stack.s3_secret_access_key,
    )
    key = stack.client.create_api_key(scopes=("read", "write", "upload")).key
    client, meter = Client(stack.url, api_key=key), Meter(stack.project)
    costs, keys = list[Cost](), list[str]()

    def settled() -> None:
        while next(client.list_images(status="pending"), None) is not None:
            time.sleep(0.5)

    meter.rest()
    for size, (width, height, count) in PICTURES.items():
        data = encoded(photo(width, height), "JPEG", quality=85)
        names = [f"{size}/{number}.jpg" for number in range(count)]
        for name in names:
            s3.upload_fileobj(io.BytesIO(data), stack.bucket, name)
        register = partial(_with, client.create_image, names)
        costs.append(meter.cost(f"{size} JPEG, from registered to ready", count, register, settled))
        keys += names
    reads: Mapping[str, Callable[[int], object]] = {
        "image, with a key": partial(_with, client.get_image, keys),
        "image, public": partial(_with, client.get_public_image, keys),
        "page of 100 images": lambda _: list(islice(client.list_images(page_size=100), 100)),
    }
    for name, read in reads.items():
        costs.append(meter.cost(name, READS, read, lambda: None))
    return costs


def _with(do: Callable[[str], object], keys: Sequence[str], number: int) -> object:
    return do(keys[number % len(keys)])


def main() -> None:
    """Measure, print the table, and write the file."""
    with ImghostStack() as stack:
        costs = measure(stack)
    rows = [[cost.operation, cost.count, *cost.cpu_ms.values()] for cost in costs]
    print(tabulate(rows, headers=["CPU in ms for one", "of", *PROCESSES]))  # noqa: T201
    RESULTS.write_text(json.dumps([asdict(cost) for cost in costs], indent=2) + "\n")


if __name__ == "__main__":
    main()
