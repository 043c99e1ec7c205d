"""What an operation costs with one, two and four replicas of every process: `make bench-replicas`.

On one machine all replicas share its processors, so that throughput cannot grow with them. What can be seen is whether
an operation costs more CPU time where there are more replicas, which is what would keep throughput from growing on
machines of their own. Clients go to all gateways in turns. The images are those of `make images`; the table goes to
benchmarks/results/replicas.json.
"""

import io
import json
import time
from dataclasses import asdict, dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import boto3
from tabulate import tabulate
from testcontainers.core.docker_client import DockerClient

from benchmarks.capacity import PROCESSES, Cost, Meter
from benchmarks.photos import encoded, photo
from imghost import Client
from imghost.testing import ImghostStack

if TYPE_CHECKING:
    from collections.abc import Callable

RESULTS = Path(__file__).parent / "results" / "replicas.json"
SCALED = ("gateway", "auth", "catalog", "catalog-worker", "imaging")
REPLICAS = (1, 2, 4)
READS = 2000
PICTURES = 150
# One fixed port of the machine cannot be that of several gateways: the clients go to their own addresses.
_WITHOUT_PORTS = "services: {gateway: {ports: !reset []}}\n"


@dataclass(frozen=True)
class Scaled:
    """What an operation takes with so many `replicas`, and how many of them end a second."""

    replicas: int
    rate: float
    cost: Cost


class ScalableStack(ImghostStack):
    """The stack with a gateway that publishes no port of this machine."""

    @property
    def url(self) -> str:
        """The address of the first gateway."""
        return self.urls()[0]

    def urls(self) -> list[str]:
        """Return the addresses of all gateways."""
        return [f"http://{_address(each)}:8000" for each in self.containers("gateway")]

    def containers(self, service: str) -> list[Any]:
        """Return the containers of `service` that run."""
        labels = [f"com.docker.compose.project={self.project}", f"com.docker.compose.service={service}"]
        return list(DockerClient().client.containers.list(filters={"label": labels}))

    def scale(self, replicas: int) -> None:
        """Have so many containers of each process that can have several."""
        compose = cast("Any", self._compose)  # it has no public way to run another command
        counts = [word for name in SCALED for word in ("--scale", f"{name}={replicas}")]
        compose._run_command(cmd=[*compose.compose_command_property, "up", "--detach", "--no-recreate", *counts])  # noqa: SLF001

    def _make_compose(self) -> Any:
        compose = super()._make_compose()
        override = Path(compose.context) / "without-ports.yml"
        override.write_text(_WITHOUT_PORTS)
        compose.compose_file_name = [*cast("list[str]", compose.compose_file_name), str(override)]
        return compose


def _address(container: Any) -> str:
    networks = container.attrs["NetworkSettings"]["Networks"].values()
    return str(next(network["IPAddress"] for network in networks if network["IPAddress"]))


def measure(stack: ScalableStack, replicas: int, key: str) -> list[Scaled]:
    """Return what operations take with so many replicas."""
    s3 = boto3.client(
        "s3",
        endpoint_url=stack.s3_endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=stack.s3_access_key_id,
        aws_secret_access_key=stack.s3_secret_access_key,
    )
    data = encoded(photo(640, 480), "JPEG", quality=85)
    names = [f"{replicas}/{number}.jpg" for number in range(PICTURES)]
    for name in names:
        s3.upload_fileobj(io.BytesIO(data), stack.bucket, name)
    gateways = [Client(url, api_key=key) for url in stack.urls()]
    clients = [*islice(cycle(gateways), PICTURES)]
    meter = Meter(stack.project)
    meter.rest()

    def ready(number: int) -> object:
        return clients[number].wait_until_ready(clients[number].create_image(names[number]))

    def read(method: str, number: int) -> object:
        return getattr(clients[number % PICTURES], method)(names[number % PICTURES])

    operations: dict[str, tuple[int, Callable[[int], object]]] = {
        "0.3 MP JPEG, from registered to ready": (PICTURES, ready),
        "image, with a key": (READS, partial(read, "get_image")),
        "image, public": (READS, partial(read, "get_public_image")),
    }
    found = []
    for operation, (count, do) in operations.items():
        moments = list[float]()
        note = partial(_note, moments)
        note()
        cost = meter.cost(operation, count, do, note)
        found.append(Scaled(replicas, round(count / (moments[1] - moments[0]), 1), cost))
    for gateway in gateways:
        gateway.close()
    return found


def _note(moments: list[float]) -> None:
    moments.append(time.monotonic())


def main() -> None:
    """Measure, print the table, and write the file."""
    found = list[Scaled]()
    with ScalableStack() as stack:
        key = stack.client.create_api_key(scopes=("read", "write", "upload")).key
        for replicas in REPLICAS:
            stack.scale(replicas)
            found += measure(stack, replicas, key)
    found.sort(key=lambda each: each.cost.operation)
    rows = [[each.cost.operation, each.replicas, each.rate, *each.cost.cpu_ms.values()] for each in found]
    print(tabulate(rows, headers=["CPU in ms for one", "replicas", "a second", *PROCESSES]))  # noqa: T201
    RESULTS.write_text(json.dumps([asdict(each) for each in found], indent=2) + "\n")


if __name__ == "__main__":
    main()
