"""How much memory the web processes take after requests of every kind, and the whole idle stack: `make bench-memory`.

Gateway, auth and catalog run as plain processes on PostgreSQL with 100,000 images; S3 is a server that takes every
object and keeps none. Told is the proportional set size (PSS), by which what processes share is divided among them.
Then the whole service is started in containers, from the images of `make images`, and nothing is asked of it; to see
all of their processes takes root. The figures go to benchmarks/results/memory.json.
"""

import base64
import json
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import requests
from tabulate import tabulate
from testcontainers.core.docker_client import DockerClient

from benchmarks.chain import BASIC, SERVICES, USERNAME, Chain, postgresql
from benchmarks.figures import Figure
from benchmarks.serving import IMAGES, ROOT, fill
from benchmarks.uploads import BEGINNING, Sink
from imghost.testing import ImghostStack
from s3 import serving

RESULTS = Path(__file__).parent / "results" / "memory.json"
CLIENTS, SAMPLE_EVERY_S, SETTLES_S, IDLE_S = 16, 0.25, 5.0, 60.0
WEB_PROCESS_MIB = 90.0
# What the idle stack took before anything was done about it.
STACK_BEFORE_MIB, STACK_TO_REACH = 921.0, 0.7
PUBLIC_URL = "http://imghost.test"
UPLOAD_BYTES, LONG = 512 * 1024, "A long description. " * 100
# No batch changes it.
HALF, UNCHANGED = IMAGES // 2, f"bench/{IMAGES:06}.jpg"
_JSON = {"Content-Type": "application/json"}
_MIB = 1024


@dataclass(frozen=True)
class Process:
    """A web process of `service`: its PSS in MiB before the requests, at its peak, and after them."""

    service: str
    at_rest_mib: float
    peak_mib: float
    after_mib: float


@dataclass(frozen=True)
class Container:
    """What the processes of the container of `service` take together when nothing is asked, in MiB."""

    service: str
    processes: int
    mib: float


@dataclass(frozen=True)
class Request:
    """A request, and the statuses that may answer it."""

    method: str
    target: str
    statuses: tuple[int, ...] = (200,)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True)
class Kinds:
    """Requests of every kind, each for the number of a round."""

    key: str
    etag: str

    def all(self, n: int) -> Iterator[Request]:
        """Yield the requests of round `n`."""
        yield from self._strangers(n)
        yield from self._readers(n)
        yield from self._writers(n)
        yield from self._refused(n)

    def _strangers(self, n: int) -> Iterator[Request]:
        image = f"bench/{1 + n * 7919 % IMAGES:06}.jpg"
        yield Request("GET", f"/api/i/{image}")
        yield Request("GET", f"/api/i/{UNCHANGED}", (304,), {"If-None-Match": self.etag})
        yield Request("GET", "/api/c/bench-100")
        yield Request("GET", "/api/c/bench-1000?limit=1000")
        yield Request("GET", f"/i/{image}")
        yield Request("GET", "/c/bench-1000")
        yield Request("GET", "/c/bench-100.atom")
        yield Request("GET", f"/api/oembed?url={PUBLIC_URL}/i/{image}")
        yield Request("OPTIONS", f"/api/i/{image}", (204,))

    def _readers(self, n: int) -> Iterator[Request]:
        image = f"/api/images/bench/{1 + n * 104729 % IMAGES:06}.jpg"
        with_key, with_password = {"Authorization": f"Bearer {self.key}"}, {"Authorization": BASIC}
        yield Request("GET", image, headers=with_key)
        yield Request("GET", image, headers=with_password)
        yield Request("HEAD", image, headers=with_key)
        yield Request("GET", "/api/images?limit=20", headers=with_key)
        yield Request("GET", "/api/images?limit=1000", headers=with_key)
        yield Request("GET", "/api/images?limit=20&q=picture", headers=with_key)
        yield Request("GET", "/api/collections/bench-1000?limit=1000", headers=with_key)
        yield Request("GET", "/api/stats", headers=with_key)
        yield Request("GET", "/api/api-keys", headers=with_password)
        yield Request("GET", f"/api/users/{USERNAME}", headers=with_password)

    def _writers(self, n: int) -> Iterator[Request]:
        with_key = {"Authorization": f"Bearer {self.key}"}
        json_with_key, own = with_key | _JSON, f"memory/{n}.jpg"
        new = {"s3_key": own, "title": f"Picture {n}", "description": LONG}
        yield Request("POST", "/api/images", (201,), json_with_key | {"Idempotency-Key": f"new-{n}"}, _body(new))
        yield Request("PUT", f"/api/images/{own}", (200,), json_with_key, _body({"title": "Another"}))
        yield Request("PUT", f"/api/collections/bench-100/images/{own}", (200,), with_key)
        yield Request("DELETE", f"/api/collections/bench-100/images/{own}", (204,), with_key)
        if n % 2:  # the others stay, so that lists are of long texts
            yield Request("DELETE", f"/api/images/{own}", (204,), with_key)
        operations = [
            {"op": "change", "s3_key": f"bench/{1 + (3 * n + each) % HALF:06}.jpg", "title": f"{n}"}
            for each in range(3)
        ]
        yield Request("POST", "/api/images/batch", (200, 503), json_with_key, _body({"operations": operations}))
        yield Request("GET", "/api/signed-post", headers=with_key)
        if n % 20 == 0:
            file = BEGINNING.ljust(UPLOAD_BYTES, b"\0")
            yield Request("PUT", f"/api/uploads/{n}.jpg", (201,), with_key | {"Content-Type": "image/jpeg"}, file)
            yield Request(
                "POST", "/api/api-keys", (201,), {"Authorization": BASIC} | _JSON, _body({"description": "x"})
            )

    def _refused(self, n: int) -> Iterator[Request]:
        stranger = base64.b64encode(f"nobody{n}:wrong".encode()).decode()
        with_key = {"Authorization": f"Bearer {self.key}"}
        yield Request("GET", f"/api/i/no/{n}.jpg", (404,))
        yield Request("GET", f"/i/no/{n}.jpg", (404,))
        yield Request("GET", "/api/images", (401,))
        yield Request("GET", "/api/images", (401, 503), {"Authorization": f"Basic {stranger}"})
        yield Request("GET", "/api/images", (401,), {"Authorization": f"Bearer unknown-{n}"})
        yield Request("GET", "/api/images?limit=none", (422,), with_key)
        yield Request("POST", "/api/images", (422,), with_key | _JSON, _body({"s3_key": "/no", "other": 1}))
        yield Request("POST", "/api/images", (400,), with_key | _JSON, b"{")
        yield Request("DELETE", "/api/i/bench/000001.jpg", (405,))
        yield Request("POST", "/api/images", (409,), with_key | _JSON, _body({"s3_key": "bench/000001.jpg"}))


def _body(value: Any) -> bytes:
    return json.dumps(value).encode()


def send(url: str, kinds: Kinds, count: int) -> Counter[str]:
    """Send at least `count` requests, each round by one of the clients; return how many answers were unexpected."""
    numbers, left, lock = iter(range(sys.maxsize)), [count], threading.Lock()
    unexpected: Counter[str] = Counter()

    def work(_client: int) -> None:
        with requests.Session() as session:
            while True:
                with lock:
                    if left[0] <= 0:
                        return
                    round_ = list(kinds.all(next(numbers)))
                    left[0] -= len(round_)
                for each in round_:
                    answer = session.request(
                        each.method, url + each.target, headers=dict(each.headers), data=each.body, timeout=60
                    )
                    if answer.status_code not in each.statuses:
                        with lock:
                            unexpected[f"{each.method} {each.target.split('?')[0][:20]}: {answer.status_code}"] += 1

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(work, range(CLIENTS)))
    return unexpected


def pss_mib(pid: int) -> float:
    """Return the proportional set size of the process `pid`. Raise `OSError` if it has ended."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / _MIB


@contextmanager
def watched(pids: Sequence[int]) -> Iterator[dict[int, float]]:
    """Note the peak of each of `pids`, in MiB, until the block ends."""
    peaks, end = dict.fromkeys(pids, 0.0), threading.Event()

    def watch() -> None:
        while not end.wait(SAMPLE_EVERY_S):
            for pid in pids:
                peaks[pid] = max(peaks[pid], pss_mib(pid))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield peaks
    finally:
        end.set()
        watching.join()


def web_processes(chain: Chain, count: int) -> tuple[list[Process], Counter[str]]:
    """Return what the web processes of `chain` take when `count` requests are sent; and the unexpected answers."""
    url = f"http://127.0.0.1:{chain.ports['gateway']}"
    etag = requests.get(f"{url}/api/i/{UNCHANGED}", timeout=10).headers["ETag"]
    pids = {pid: service for service in SERVICES for pid in chain.workers(service)}
    time.sleep(SETTLES_S)
    at_rest = {pid: pss_mib(pid) for pid in pids}
    with watched(list(pids)) as peaks:
        unexpected = send(url, Kinds(chain.make_key(), etag), count)
    time.sleep(SETTLES_S)
    return [
        Process(service, round(at_rest[pid], 1), round(peaks[pid], 1), round(pss_mib(pid), 1))
        for pid, service in pids.items()
    ], unexpected


def idle_stack(project: str) -> list[Container]:
    """Return what the running containers of the compose project take."""
    containers = DockerClient().client.containers.list(filters={"label": f"com.docker.compose.project={project}"})
    found = []
    for container in containers:
        top = container.top(ps_args="-eo pid")
        sizes = list[float]()
        for (pid,) in top["Processes"]:
            with suppress(FileNotFoundError, ProcessLookupError):  # a check of health that has ended since
                sizes.append(pss_mib(int(pid)))
        found.append(Container(container.labels["com.docker.compose.service"], len(sizes), round(sum(sizes), 1)))
    return sorted(found, key=lambda each: each.service)


def figures(processes: Sequence[Process], containers: Sequence[Container], count: int) -> Iterator[Figure]:
    """Yield the figure of the largest web process of each service, and that of the stack, if it was measured."""
    moments: dict[str, Callable[[Process], float]] = {
        f"after {count:,} requests": lambda each: each.after_mib,
        "at its peak": lambda each: each.peak_mib,
    }
    for service in SERVICES:
        for moment, size in moments.items():
            most = max(size(each) for each in processes if each.service == service)
            name, wanted = f"largest web process of {service}, {moment}", f"at most {WEB_PROCESS_MIB:g} MiB"
            yield Figure(name, most, None, "MiB", None, wanted, most <= WEB_PROCESS_MIB)
    if containers:
        total, number = sum(each.mib for each in containers), sum(each.processes for each in containers)
        name, ratio = f"whole stack in containers, idle, {number} processes", total / STACK_BEFORE_MIB
        wanted = f"at most {STACK_TO_REACH:g}"
        yield Figure(name, round(total, 1), STACK_BEFORE_MIB, "MiB", round(ratio, 3), wanted, ratio <= STACK_TO_REACH)


def main() -> None:
    """Measure, print the tables and write the file. Without STACK the containers are left out."""
    count, containers = int(sys.argv[1]), list[Container]()
    with (
        serving(Sink) as s3_url,
        postgresql(["auth", "catalog"]) as databases,
        tempfile.TemporaryDirectory() as folder,
    ):
        further = {
            "CATALOG_S3_ENDPOINT_URL": s3_url,
            "CATALOG_S3_ACCESS_KEY_ID": "id",
            "CATALOG_S3_SECRET_ACCESS_KEY": "secret",
            "GATEWAY_SPOOL_FOLDER": folder,
            "GATEWAY_PUBLIC_URL": PUBLIC_URL,
            # All come from one address: each password is hashed, and each key looked up.
            "AUTH_PASSWORD_FAILURES_A_MINUTE": str(count),
            "AUTH_KEY_FAILURES_A_MINUTE": str(count),
        }
        chain = Chain(ROOT, Path(folder), databases, further=further)
        try:
            chain.start()
            fill(databases)
            processes, unexpected = web_processes(chain, count)
        finally:
            chain.stop()
    for answer, times in unexpected.most_common():
        sys.stderr.write(f"unexpected: {answer}, {times} times\n")
    if os.environ.get("STACK", "1") != "0":
        with ImghostStack() as stack:
            time.sleep(IDLE_S)
            containers = idle_stack(stack.project)
    found = list(figures(processes, containers, count))
    shown = [[f.name, f.ours, f.against, f.unit, f.ratio, f.to_reach, "yes" if f.met else "NO"] for f in found]
    for rows in (processes, containers):
        print(tabulate([asdict(row) for row in rows], headers="keys"), end="\n\n")  # noqa: T201
    print(tabulate(shown, headers=["figure", "ours", "against", "unit", "ratio", "to reach", "met"]))  # noqa: T201
    result = {
        "requests": count,
        "unexpected": sum(unexpected.values()),
        "figures": [asdict(each) for each in found],
        "processes": [asdict(each) for each in processes],
        "containers": [asdict(each) for each in containers],
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
