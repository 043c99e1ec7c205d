"""How fast the whole chain answers, beside Flask that answers a constant: `make bench`.

It prints a table and writes benchmarks/results/chain.json. Gateway, auth and catalog run as plain processes on
PostgreSQL, as many as compose starts, on one machine with their clients. What is compared is measured in turns, several
times, so that other work on the machine is in both; the figures are ratios.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import psycopg
import requests
from tabulate import tabulate

import edge
from benchmarks import origin
from benchmarks.chain import BASIC, USERNAME, Chain, free_port, postgresql
from benchmarks.clients import InBackground, get, regularly
from benchmarks.figures import Figure
from benchmarks.origin import AUTHORIZATION, Origin

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).parent / "results" / "chain.json"
SCRIPT = Path(__file__).parent / "wrk" / "targets.lua"
SAMPLE = Path(__file__).with_name("sample.sql")
IMAGES = 100_000
CONNECTIONS, WRK_S, WARM_UP_S, ROUNDS = 16, 3.0, 1.0, 3
MAX_AGE_S = 10  # how long answers may be kept, which is the gateway's default
ANY, WITH_KEY = "public image, any of 100,000", "image with a key, any of 100,000"
IMAGE, COLLECTION = "/api/i/bench/%N.jpg", "/api/c/bench-100"


@dataclass(frozen=True)
class Load:
    """Requests that wrk sends: one of `number` targets at a time, which `pattern` and `body` name by `%N`."""

    pattern: str
    number: int = 1
    choice: str = "uniform"
    headers: Mapping[str, str] | None = None
    method: str = "GET"
    body: str = ""


@dataclass(frozen=True)
class Row:
    """A row of the table: `load` against Flask that answers a constant of as many bytes, at least `to_reach` of it."""

    name: str
    load: Load
    to_reach: float


@dataclass(frozen=True)
class Serving:
    """What is measured: the chain with a key of the user, Flask that answers constants at a port, and the origin."""

    chain: Chain
    bare_port: int
    key: str
    origin: Origin | None = None

    def url(self, target: str) -> str:
        """Return the address of `target` at the gateway."""
        return f"http://127.0.0.1:{self.chain.ports['gateway']}{target}"


def rows(serving: Serving) -> Iterator[Row]:
    """Yield what is compared with Flask that answers a constant."""
    with_key = {"Authorization": f"Bearer {serving.key}"}
    one = IMAGE.replace("%N", "000001")
    known = {"If-None-Match": requests.get(serving.url(one), timeout=10).headers["ETag"]}
    yield Row(ANY, Load(IMAGE, IMAGES), 0.2)
    yield Row("public image, always the same", Load(IMAGE), 0.6)
    yield Row("public image, Zipf over 10,000", Load(IMAGE, 10_000, "zipf"), 0.3)
    yield Row("public image, 304", Load(IMAGE, headers=known), 0.6)
    yield Row("public collection of 100", Load(COLLECTION), 0.5)
    yield Row(WITH_KEY, Load("/api/images/bench/%N.jpg", IMAGES, headers=with_key), 0.09)
    yield Row("list of 20 images with a key", Load("/api/images?limit=20", headers=with_key), 0.09)


def measure(serving: Serving) -> Iterator[Figure]:
    """Yield the figures, one after another."""
    for row in rows(serving):
        yield against_bare(serving, row)
    yield password_against_key(serving)
    yield registrations(serving)
    yield calm(serving)
    yield large_page(serving)
    if serving.origin is not None:
        yield from against_origin(serving, serving.origin)
    yield from through_edge(serving)


def against_origin(serving: Serving, peer: Origin) -> Iterator[Figure]:
    """Yield the rates of single images beside those of the server from which imghost comes."""
    load = {row.name: row.load for row in rows(serving)}
    ours = partial(rate, serving.chain.ports["gateway"], load[ANY])
    theirs = partial(rate, peer.port, Load(peer.image, IMAGES))
    yield compared("public image, any of 100,000, against the origin", ours, theirs, 4)
    ours = partial(rate, serving.chain.ports["gateway"], load[WITH_KEY])
    theirs = partial(rate, peer.port, Load(peer.with_key, headers={"Authorization": AUTHORIZATION}))
    yield compared("image with a key, against the origin", ours, theirs, 2.5)


def through_edge(serving: Serving) -> Iterator[Figure]:
    """Yield the figures of public images that are read through the edge, with the share that its cache has answered.

    Each turn begins when the cache is as full as it gets. Afterwards the gateway trusts a proxy, and is to be measured
    no more.
    """
    serving.chain.further["GATEWAY_TRUSTED_PROXIES"] = "1"
    serving.chain.start_one("gateway")
    for name, load, fills_s in (
        ("always the same", Load(IMAGE), WARM_UP_S),
        ("Zipf over 10,000", Load(IMAGE, 10_000, "zipf"), 2 * MAX_AGE_S),
    ):
        folder, shares = serving.chain.folder / f"edge-{load.number}", list[float]()
        with (
            tempfile.TemporaryDirectory(dir="/dev/shm") as cache,  # in memory, as in its container
            edge.edge(folder, serving.url(""), CACHE=cache) as running,
        ):
            port = int(running.url.rpartition(":")[2])
            ours = partial(rate_and_hits, port, load, fills_s, running.log, shares)
            size = len(requests.get(serving.url(load.pattern.replace("%N", "000001")), timeout=10).content)
            against = partial(rate, serving.bare_port, Load(f"/{size}"))
            figure = compared(f"public image through the edge, {name}", ours, against, 3)
        share = statistics.median(shares)
        sys.stderr.write(f"{figure.name}: {share:.1%} from the cache\n")
        yield replace(figure, hits=round(share, 4))


def rate_and_hits(port: int, load: Load, fills_s: float, log: Path, shares: list[float]) -> float:
    """Return the rate at the edge after `fills_s`; add to `shares` how much its cache has answered, by its `log`."""
    rate(port, load, fills_s)
    os.truncate(log, 0)
    measured = rate(port, load)
    with log.open("rb") as lines:
        from_cache = [b'"cache": "HIT"' in line for line in lines]
    shares.append(sum(from_cache) / len(from_cache))
    return measured


def against_bare(serving: Serving, row: Row) -> Figure:
    """Return the rate of `row` beside that of Flask answering as many bytes."""
    answer = requests.get(serving.url(row.load.pattern.replace("%N", "000001")), headers=row.load.headers, timeout=10)
    bare = Load(f"/{len(answer.content)}")
    return compared(
        row.name,
        partial(rate, serving.chain.ports["gateway"], row.load),
        partial(rate, serving.bare_port, bare),
        row.to_reach,
    )


def password_against_key(serving: Serving) -> Figure:
    """Return the rate of requests with a password beside that with a key."""
    port = serving.chain.ports["gateway"]
    load = Load("/api/images/bench/%N.jpg", IMAGES, headers={"Authorization": f"Bearer {serving.key}"})
    with_password = replace(load, headers={"Authorization": BASIC})
    return compared(
        "image with a password against a key", partial(rate, port, with_password), partial(rate, port, load), 0.9
    )


def registrations(serving: Serving) -> Figure:
    """Return the rate of registrations beside that of two connections that write the same rows."""
    numbers = iter(range(1, 1000))

    def register() -> float:
        return rate(
            serving.chain.ports["gateway"],
            Load(
                "/api/images",
                choice="next",
                headers={"Authorization": f"Bearer {serving.key}", "Content-Type": "application/json"},
                method="POST",
                body=f'{{"s3_key": "new-{os.getpid()}-{next(numbers)}/%N.jpg"}}',
            ),
        )

    url = serving.chain.databases["catalog"].replace("+psycopg", "")
    return compared("registrations, against two connections that write the same", register, partial(writes, url), 0.13)


def writes(url: str) -> float:
    """Return how many registrations a second two connections write, each in a transaction of one message."""
    said = subprocess.run(
        [sys.executable, "-m", "benchmarks.registrations", url, str(WRK_S)], cwd=ROOT, check=True, capture_output=True
    )
    return float(said.stdout)


def calm(serving: Serving) -> Figure:
    """Return how long a request with a key takes where fifty are sent a second."""
    request = get("/api/images/bench/000001.jpg", f"Bearer {serving.key}")
    tally = InBackground(regularly, serving.chain.ports["gateway"], lambda: request, 0.02, 10.0).result()
    p99 = tally.quantile_ms(0.99)
    met = p99 <= 25 and tally.count(200) == len(tally.statuses)
    return Figure("image with a key, 50 a second: p99", p99, None, "ms", None, "at most 25 ms", met)


def large_page(serving: Serving) -> Figure:
    """Return what a page of a thousand images takes of catalog's processors, each page another one."""
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {serving.key}"
        target, pages = "/api/images?limit=1000", 20
        began = cpu_s(serving.chain.workers("catalog"))
        for _ in range(pages):
            answer = session.get(serving.url(target), timeout=30)
            answer.raise_for_status()
            target = answer.links["next"]["url"]
        ms = 1000 * (cpu_s(serving.chain.workers("catalog")) - began) / pages
    return Figure("page of 1,000 images: CPU of catalog", ms, None, "ms", None, "at most 15 ms", ms <= 15)


def compared(name: str, ours: Callable[[], float], other: Callable[[], float], to_reach: float) -> Figure:
    """Return the figure of `ours` against `other`, both measured in turns; the ratio is the median of the rounds."""
    taken = [(ours(), other()) for _ in range(ROUNDS)]
    ratios = sorted(mine / theirs for mine, theirs in taken)
    ratio = statistics.median(ratios)
    sys.stderr.write(f"{name}: {ratio:.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})\n")
    mine, theirs = (statistics.median(column) for column in zip(*taken, strict=True))
    wanted = f"at least {to_reach:g}"
    return Figure(name, round(mine, 1), round(theirs, 1), "a second", round(ratio, 4), wanted, ratio >= to_reach)


def rate(port: int, load: Load, lasts_s: float = WRK_S) -> float:
    """Return how many good answers a second there are at `port`."""
    environment = {
        "PATH": os.environ["PATH"],
        "NUMBER": str(load.number),
        "CHOICE": load.choice,
        "PATTERN": load.pattern,
        "BODY": load.body,
        "METHOD": load.method,
        "FIRST": "1",
    }
    headers = [word for name, value in (load.headers or {}).items() for word in ("--header", f"{name}: {value}")]
    said = subprocess.run(
        [
            *("wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{lasts_s:.0f}s"),
            *("--timeout", "30s", *headers, "--script", str(SCRIPT), f"http://127.0.0.1:{port}/"),
        ],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    return float(said[said.index("good") + 1]) / float(said[said.index("seconds") + 1])


def cpu_s(pids: Sequence[int]) -> float:
    """Return the seconds of processors that the processes `pids` have taken."""
    ticks = 0
    for pid in pids:
        user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        ticks += int(user) + int(system)
    return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def started() -> Iterator[Serving]:
    """Start the chain with its sample, Flask that answers constants, and the origin if it is there."""
    with (
        postgresql(["auth", "catalog", "origin"]) as databases,
        tempfile.TemporaryDirectory() as folder,
        ExitStack() as further,
    ):
        checkout = origin.folder()
        peer = further.enter_context(origin.started(checkout, databases.pop("origin"))) if checkout else None
        chain, port = Chain(ROOT, Path(folder), databases), free_port()
        gunicorn = [str(ROOT / ".venv" / "bin" / "gunicorn"), "--workers", "2", "--worker-class", "gevent"]
        bare = subprocess.Popen([*gunicorn, "--bind", f"127.0.0.1:{port}", "benchmarks.bare:app"], cwd=ROOT)
        try:
            chain.start()
            fill(databases)
            yield Serving(chain, port, chain.make_key(), peer)
        finally:
            chain.stop()
            bare.terminate()
            bare.wait()


def fill(databases: Mapping[str, str]) -> None:
    """Add the sample to the database of catalog."""
    auth, catalog = (databases[name].replace("+psycopg", "") for name in ("auth", "catalog"))
    with psycopg.connect(auth) as connection:
        ((user_id,),) = connection.execute("SELECT user_id FROM users WHERE username = %s", [USERNAME]).fetchall()
    with psycopg.connect(catalog, autocommit=True) as connection:
        for statement in SAMPLE.read_text().replace(":'user'", f"'{user_id}'").split(";")[:-1]:
            connection.execute(statement.encode())


def main() -> None:
    """Measure everything, print the table, and write the file."""
    if shutil.which("wrk") is None:
        sys.exit("bench needs wrk, of the Debian package of that name")
    if missing := edge.missing_packages():
        sys.exit(f"bench needs {' and '.join(missing)}, Debian packages")
    load = os.getloadavg()[0]
    if load > 1:
        sys.stderr.write(f"the machine has other work: its load is {load:.1f}\n")
    with started() as serving:
        figures = list(measure(serving))
    shown = [
        [f.name, f.ours, f.against, f.unit, f.ratio, f.to_reach, "yes" if f.met else "NO", f.hits] for f in figures
    ]
    print(tabulate(shown, headers=["figure", "ours", "against", "unit", "ratio", "to reach", "met", "hits"]))  # noqa: T201
    RESULTS.write_text(json.dumps([asdict(figure) for figure in figures], indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
