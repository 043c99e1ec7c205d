"""What large uploads in one request take of the gateway's memory, when their clients are slow: `make bench-uploads`.

Gateway, auth and catalog run as plain processes; S3 is a server that takes every object and keeps none. Twenty clients
send 64 MiB each, one mebibyte a second. Of the web processes together the memory is told that nobody shares with them,
at rest and at its peak, and how soon others are answered meanwhile. The figures go to benchmarks/results/uploads.json.
"""

import http.client
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import requests

from benchmarks.chain import Chain, postgresql
from s3 import serving

RESULTS = Path(__file__).parent / "results" / "uploads.json"
ROOT = Path(__file__).resolve().parent.parent
CLIENTS, SIZE, BYTES_PER_S = 20, 64 * 1024 * 1024, 1024 * 1024
PART = 64 * 1024
BEGINNING = bytes.fromhex("ffd8ffe000104a46494600010100000100010000")  # of a JPEG
SAMPLE_EVERY_S, ASK_EVERY_S = 0.1, 0.2
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Figures:
    """What was measured: memory of the web processes in MiB, seconds, and milliseconds of others' requests."""

    clients: int
    mib_each: int
    web_processes: int
    at_rest_mib: float
    peak_mib: float
    seconds: float
    failed: int
    others: int
    others_failed: int
    others_median_ms: float
    others_slowest_ms: float


class Sink(BaseHTTPRequestHandler):
    """Takes objects, and keeps none."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        """Read an object, and say that it is kept."""
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, PART)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@dataclass
class Memory:
    """Watches the memory of processes, all together."""

    pids: list[int]
    peak: int = 0

    def now(self) -> int:
        """Return the bytes that nobody shares with these processes."""
        return sum(_private(pid) for pid in self.pids)

    def watch(self, end: threading.Event) -> None:
        """Note the peak until `end` is set."""
        while not end.wait(SAMPLE_EVERY_S):
            self.peak = max(self.peak, self.now())


def _private(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))


def send(url: str, key: str, number: int) -> int:
    """Upload a file at its pace; return the status."""

    def content() -> Iterator[bytes]:
        began = time.monotonic()
        for sent in range(0, SIZE, PART):
            time.sleep(max(0.0, began + sent / BYTES_PER_S - time.monotonic()))
            yield BEGINNING.ljust(PART, b"\0") if sent == 0 else bytes(PART)

    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)
    headers = {"Authorization": f"Bearer {key}", "Content-Length": str(SIZE)}
    connection.request("PUT", f"/api/uploads/{number}.jpg", body=content(), headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


def ask(url: str, key: str, end: threading.Event) -> list[tuple[bool, float]]:
    """Ask for the newest image again and again until `end` is set; return whether it was shown, and the ms it took."""
    found = []
    with requests.Session() as session:
        while not end.wait(ASK_EVERY_S):
            began = time.monotonic()
            answer = session.get(f"{url}/api/images?limit=1", headers={"Authorization": f"Bearer {key}"}, timeout=60)
            found.append((answer.ok, (time.monotonic() - began) * 1000))
    return found


def measure(chain: Chain) -> Figures:
    """Have the clients upload, and return what was measured."""
    url, key = f"http://127.0.0.1:{chain.ports['gateway']}", chain.make_key()
    memory = Memory(chain.workers("gateway"))
    for _ in range(200):  # until all is loaded that requests need
        requests.get(f"{url}/api/images?limit=1", headers={"Authorization": f"Bearer {key}"}, timeout=10)
    at_rest, end, began = memory.now(), threading.Event(), time.monotonic()
    with ThreadPoolExecutor(CLIENTS + 2) as pool:
        watching, asking = pool.submit(memory.watch, end), pool.submit(ask, url, key, end)
        statuses = list(pool.map(lambda number: send(url, key, number), range(CLIENTS)))
        seconds = time.monotonic() - began
        end.set()
        watching.result()
        others = asking.result()
    return Figures(
        clients=CLIENTS,
        mib_each=SIZE // _MIB,
        web_processes=len(memory.pids),
        at_rest_mib=round(at_rest / _MIB, 1),
        peak_mib=round(memory.peak / _MIB, 1),
        seconds=round(seconds, 1),
        failed=sum(status != http.client.CREATED for status in statuses),
        others=len(others),
        others_failed=sum(not shown for shown, _ in others),
        others_median_ms=round(statistics.median(ms for _, ms in others), 1),
        others_slowest_ms=round(max(ms for _, ms in others), 1),
    )


def main() -> None:
    """Measure, print the figures and write them."""
    with (
        serving(Sink) as s3_url,
        postgresql(["auth", "catalog"]) as databases,
        tempfile.TemporaryDirectory() as folder,
    ):
        further = {
            "CATALOG_BUCKETS": '{"uploads": {}}',
            "CATALOG_DEFAULT_BUCKET": "uploads",
            "CATALOG_S3_ENDPOINT_URL": s3_url,
            "CATALOG_S3_ACCESS_KEY_ID": "id",
            "CATALOG_S3_SECRET_ACCESS_KEY": "secret",
            "GATEWAY_SPOOL_FOLDER": folder,
            "GATEWAY_SPOOL_BYTES": str(8 * 1024**3),  # of which the one user here has a quarter
        }
        chain = Chain(ROOT, Path(folder), databases, further=further)
        try:
            chain.start()
            figures = asdict(measure(chain))
        finally:
            chain.stop()
    print("\n".join(f"{name:<20} {value}" for name, value in figures.items()))  # noqa: T201
    RESULTS.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
