"""From the release before to this one and back, under load: no request fails, and nothing is lost.

`make upgrade-trial PREVIOUS=<tag or commit>` runs it. Both databases are migrated while the release before serves, then
its containers are replaced one by one in the order of docs/operations.md, and again the other way round. There are two
of each web process. A proxy before the gateways is what clients do themselves: they turn to the new ones before the
others are ended. The figures go to tests/upgrade/report.json.
"""

import json
import os
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from containers import ROOT
from faults import audit
from faults.load import Load
from faults.stack import HOME, address
from upgrade.load import Reader
from upgrade.releases import ORDER, Release, Releases, git, newest_tag, previous

FILE = Path(__file__).with_name("report.json")
LONGEST_WAIT_MS = 500
ANSWERS = 40  # between two changes
SEED = 1
SHIPPED = ("libs", "services", "gateway", "containers", "docker-compose.yml")


@dataclass(frozen=True)
class Row:
    """The figures of one way; `reads` are those beside the requests of the ledger, `failed` is of both."""

    previous: str
    this: str
    way: str
    requests: int
    reads: int
    failed: int
    lost: int
    longest_lock_wait_ms: float
    took_s: float


@pytest.fixture
def stack(engine: None) -> Iterator[Releases]:  # noqa: ARG001
    """The release before, running."""
    chosen = os.environ["PREVIOUS"]
    name = newest_tag() if chosen == "newest" else chosen
    if not name:
        pytest.fail("there is no tag of a release: make upgrade-trial PREVIOUS=<commit>", pytrace=False)
    running = Releases(release=previous(name))
    running.up()
    yield running
    HOME.mkdir(parents=True, exist_ok=True)
    (HOME / "upgrade.log").write_text(running.compose("logs", "--no-color", "--timestamps"))
    running.down()


def last_shipped() -> str:
    """Return the last commit that changed what is shipped."""
    return git("log", "-1", "--format=%h", "--abbrev=12", "--", *SHIPPED)


def replaced(stack: Releases, load: Load, release: Release, services: Sequence[str]) -> None:
    """Have all containers of `services` replaced by those of `release`, one after the other."""
    stack.release = release

    def between(names: Sequence[str]) -> None:
        if names[0].rpartition("-")[0].endswith("gateway"):
            for number, client in enumerate(load.clients):
                client.connect_to(address(names[number % len(names)]))
        load.wait_for_answers(ANSWERS, within_s=60)

    for service in services:
        stack.replace(service, between)


@pytest.mark.timeout(1500)
def test_no_request_fails_from_one_release_to_the_next_and_back(stack: Releases) -> None:
    before, this = stack.release, Release(last_shipped(), ROOT)
    stack.release = this
    stack.compose("build", "--quiet")
    prefix = f"upgrade-{time.time_ns() // 1_000_000}"
    addresses = stack.gateways()
    clients = [
        Reader(api, stack.s3(), f"{prefix}/{number}", random.Random(f"{SEED}/{number}"))
        for number, api in enumerate(stack.users)
    ]
    for number, client in enumerate(clients):
        client.connect_to(addresses[number % len(addresses)])
        client.make_collections()
    load, rows, faults = Load(list(clients)), list[Row](), list[str]()
    services = [service for group in ORDER for service in group]
    for way, release, order in (("upgrade", this, services), ("rollback", before, services[::-1])):
        waited, sent, began = len(stack.lock_waits_ms()), len(load.entries()), time.monotonic()
        reads, unread = sum(each.reads for each in clients), sum(len(each.unread) for each in clients)
        with load.running():
            load.wait_for_answers(ANSWERS)
            stack.release = release
            stack.migrate()
            load.wait_for_answers(ANSWERS)
            replaced(stack, load, release, order)
        took_s = time.monotonic() - began
        stack.wait_until_done()
        findings = audit.examine(stack, stack.s3(), load.clients, prefix, {})
        failed = [str(entry) for entry in load.entries()[sent:] if not entry.acknowledged]
        failed += [each for client in clients for each in client.unread][unread:]
        rows.append(
            Row(
                *(before.name, this.name, way, len(load.entries()) - sent, sum(each.reads for each in clients) - reads),
                *(len(failed), len(findings.lost), max(stack.lock_waits_ms()[waited:], default=0.0), round(took_s, 1)),
            )
        )
        print(rows[-1])  # noqa: T201 - for pytest -s
        keep(rows[-1])
        faults += [*failed, *findings.all()]
    assert not faults, "\n".join(faults)
    assert max(row.longest_lock_wait_ms for row in rows) < LONGEST_WAIT_MS


def keep(row: Row) -> None:
    """Write the row into the report, in place of that of the same way from the same release."""
    written = json.loads(FILE.read_text()) if FILE.exists() else []
    others = [each for each in written if (each["previous"], each["way"]) != (row.previous, row.way)]
    lines = ",\n".join(f"  {json.dumps(each)}" for each in [*others, asdict(row)])
    FILE.write_text(f"[\n{lines}\n]\n")
