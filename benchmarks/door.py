"""What strangers can take away from others at the gateway: `make bench-door`.

It prints a table and writes benchmarks/results/door.json. The attacks run against the whole chain as plain processes
on PostgreSQL, on one machine with their clients, so that a figure tells more beside another one of the same run: with
AGAINST=<folder of another checkout, with its .venv> the same is measured there, as `against`.
"""

import asyncio
import base64
import itertools
import json
import math
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from tabulate import tabulate

from benchmarks import door_pages
from benchmarks.chain import BASIC, Chain, postgresql
from benchmarks.clients import Connection, InBackground, Tally, constantly, get, regularly
from benchmarks.figures import Figure

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).parent / "results" / "door.json"
TARGET = "/api/collections?limit=1"
SPRAYERS, SOURCES = 300, 200
RIGHT_TRIES = 5
HEALTHZ_EVERY_S, PROBING_S = 0.05, 5.0
OVERLOAD = 3
BUSY_CONNECTIONS = 32
PACED = Path(__file__).parent / "wrk" / "paced.lua"
PAUSE_S, WRK_S = 0.25, 10.0
# What other work the machine may have without these figures being wrong.
QUIET_LOAD = 1.0


@dataclass(frozen=True)
class Wanted:
    """What is to be reached: at most or, with `least`, at least `bound` of `unit`."""

    name: str
    unit: str
    bound: float
    least: bool = False


WANTED = (
    Wanted("spray: p99 of a valid key", "ms", 100),
    Wanted("spray: failed requests of the key", "", 0),
    Wanted("spray: p99 of what is refused", "ms", 100),
    Wanted("spray: longest way in of a right password", "s", 3),
    Wanted("pages: bytes of a page", "MiB", 1.1),
    Wanted("pages: bytes of a 304", "B", 0),
    Wanted("pages: peak memory of a gateway process", "MiB", 150),
    Wanted("pages: peak memory of a catalog process", "MiB", 150),
    Wanted("1,010 silent connections: slowest /healthz", "ms", 100),
    Wanted("5,000 silent connections: slowest /healthz", "ms", 100),
    Wanted("200 readers that stop reading: slowest /healthz", "ms", 100),
    Wanted("5,000 readers that stop reading: slowest /healthz", "ms", 100),
    Wanted("20 bodies in one-byte chunks: slowest /healthz", "ms", 100),
    Wanted("5,000 bodies in one-byte chunks: slowest /healthz", "ms", 100),
    Wanted("overload: rate of answers of the best rate", "", 0.7, least=True),
    Wanted("overload: p99 of what is refused", "ms", 50),
    Wanted("all attacks: peak memory of a gateway process", "MiB", 150),
    Wanted("all attacks: peak memory of an auth process", "MiB", 150),
    Wanted("all attacks: peak memory of a catalog process", "MiB", 150),
)


def measure(root: Path, databases: dict[str, str]) -> list[float]:
    """Measure the checkout at `root`; return the values of `WANTED`."""
    with tempfile.TemporaryDirectory() as folder:
        chain = Chain(root, Path(folder), databases)
        try:
            chain.start()
            key = f"Bearer {chain.make_key()}"
            values = [*spray(chain, key), *pages(root), *silence(chain), *overload(chain, key)]
            values += [_peak_mib(chain, service) for service in ("gateway", "auth", "catalog")]
        finally:
            chain.stop()
    return values


# --- passwords ---


def spray(chain: Chain, key: str) -> Iterator[float]:
    """Have `SPRAYERS` connections from `SOURCES` addresses guess passwords of fresh usernames."""
    port, number = chain.ports["gateway"], itertools.count()

    def guess() -> bytes:
        text = f"user{next(number)}-{os.getpid()}:guess"
        return get(TARGET, "Basic " + base64.b64encode(text.encode()).decode())

    addresses = ["127.0.0.1", *(f"127.0.1.{n}" for n in range(1, SOURCES))]
    sources = [addresses[n % SOURCES] for n in range(SPRAYERS)]
    spraying = InBackground(constantly, port, guess, sources, 40.0)
    asking = InBackground(regularly, port, partial(get, TARGET, key), 0.05, 38.0)
    time.sleep(15)  # until each address has failed once: what comes first from an address may wait
    right = [_way_in(port, f"127.0.9.{n + 1}") for n in range(RIGHT_TRIES)]
    keys, guesses = asking.result(), spraying.result()
    yield keys.quantile_ms(0.99)
    yield len(keys.statuses) - keys.count(200)
    yield guesses.quantile_ms(0.99, 429, 503)
    yield max(right)


def _way_in(port: int, source: str) -> float:
    """Return how many seconds it takes with a right password, tried again as often as need be, to be let in."""
    began, tally = time.monotonic(), Tally()

    async def ask() -> None:
        connection = Connection(port, source)
        while not tally.count(200):
            await connection.ask(get(TARGET, BASIC), tally)
            if not tally.count(200):
                await asyncio.sleep(0.5)
        connection.close()

    asyncio.run(ask())
    time.sleep(1)
    return time.monotonic() - began - 1


# --- pages ---


def pages(root: Path) -> Iterator[float]:
    """Have fifty readers read a public collection with long descriptions."""
    if root == ROOT:
        found = door_pages.measure()
        yield found.page_bytes / 1024**2
        yield found.not_modified_bytes
        yield found.peak_bytes["gateway"] / 1024**2
        yield found.peak_bytes["catalog"] / 1024**2
    else:
        yield from itertools.repeat(float("nan"), 4)


# --- silence ---


def silence(chain: Chain) -> Iterator[float]:
    """Ask for /healthz while others connect and say nothing, or read nothing, or send one byte at a time."""
    port = chain.ports["gateway"]
    for count in (1010, 5000):
        yield _slowest_healthz(port, count)
    readers = b"GET /api/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 3
    for count in (200, 5000):
        yield _slowest_healthz(port, count, readers)
    chunks = b"POST /api/images HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 40_000
    for count in (20, 5000):
        yield _slowest_healthz(port, count, chunks)


def _slowest_healthz(port: int, count: int, sent: bytes = b"") -> float:
    """Return the time of the slowest answer to a probe, as an orchestrator sends them, in milliseconds.

    They are sent from the moment at which the last of `count` clients has connected and sent what it could of `sent`.
    """
    probe = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with _silent(port, count, sent):
        tally = asyncio.run(constantly(port, lambda: probe, ["127.0.0.1"], PROBING_S, HEALTHZ_EVERY_S))
    time.sleep(5)  # until the gateway has noticed that they are gone
    return tally.quantile_ms(1.0) if tally.count(200) == len(tally.statuses) else float("inf")


@contextmanager
def _silent(port: int, count: int, sent: bytes = b"") -> Iterator[None]:
    """Open `count` connections from many addresses, send `sent` as far as it is taken, and read nothing."""
    with ExitStack() as opened:
        for number in range(count):
            source = f"127.0.{2 + number // 250}.{1 + number % 250}"
            try:
                connection = socket.create_connection(("127.0.0.1", port), timeout=5, source_address=(source, 0))
            except OSError:  # the backlog is full
                continue
            opened.enter_context(connection)
            connection.setblocking(False)
            with suppress(OSError):
                connection.send(sent)
        yield


# --- overload ---


def overload(chain: Chain, key: str) -> Iterator[float]:
    """Send as much as is answered, and then three times as much."""
    port = chain.ports["gateway"]
    time.sleep(10)  # what was left of the attacks before is over then
    best = _good_rate(port, key, BUSY_CONNECTIONS, 0)
    connections = round(OVERLOAD * best * PAUSE_S)
    asking = InBackground(regularly, port, partial(get, TARGET, key), 0.02, WRK_S)
    yield _good_rate(port, key, connections, PAUSE_S) / best
    asked = asking.result()
    yield asked.quantile_ms(0.99, 503)


def _good_rate(port: int, key: str, connections: int, pause_s: float) -> float:
    """Return how many requests a second get a good answer, asked for on `connections` with a pause between."""
    said = subprocess.run(
        [
            *("wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{WRK_S:.0f}s"),
            *("--timeout", "30s", "--header", f"Authorization: {key}", "--script", str(PACED)),
            f"http://127.0.0.1:{port}{TARGET}",
        ],
        env={"PATH": os.environ["PATH"], "PAUSE_MS": f"{1000 * pause_s:.0f}"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    answered = int(next(line.split()[0] for line in said.splitlines() if "requests in" in line))
    refused = sum(int(line.split(":")[1]) for line in said.splitlines() if "Non-2xx" in line)
    return (answered - refused) / WRK_S


def _peak_mib(chain: Chain, service: str) -> float:
    """Return the most memory that a web process of `service` has had since it was started."""
    statuses = (Path(f"/proc/{pid}/status").read_text().splitlines() for pid in chain.workers(service))
    return max(int(line.split()[1]) / 1024 for lines in statuses for line in lines if line.startswith("VmHWM"))


# --- the table ---


def figure(wanted: Wanted, ours: float, against: float | None) -> Figure:
    """Return the row of the table for `wanted`."""
    ratio = ours / against if against else None
    met = ours >= wanted.bound if wanted.least else ours <= wanted.bound
    bound = f"{'at least' if wanted.least else 'at most'} {wanted.bound:g} {wanted.unit}".strip()
    known = None if math.isnan(ours) else ours  # nothing was refused, so that there is no time of a refusal
    return Figure(wanted.name, known, against, wanted.unit, ratio, bound, met)


def main() -> None:
    """Measure everything, print the table, and write the file."""
    if shutil.which("wrk") is None:
        sys.exit("bench-door needs wrk, of the Debian package of that name")
    load = os.getloadavg()[0]
    if load > QUIET_LOAD:
        sys.stderr.write(f"the machine has other work: its load is {load:.1f}\n")
    roots = [ROOT, *(Path(folder).resolve() for folder in filter(None, [os.environ.get("AGAINST")]))]
    measured: list[list[float]] = []
    for root in roots:
        with postgresql(["auth", "catalog"]) as databases:
            measured.append(measure(root, databases))
    others: list[float | None] = [*measured[1]] if len(measured) > 1 else [None] * len(WANTED)
    figures = [figure(*row) for row in zip(WANTED, measured[0], others, strict=True)]
    shown = [[f.name, f.ours, f.against, f.unit, f.to_reach, "yes" if f.met else "NO"] for f in figures]
    print(tabulate(shown, headers=["figure", "ours", "against", "unit", "to reach", "met"], floatfmt=".1f"))  # noqa: T201
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps([asdict(figure) for figure in figures], indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
