"""One trial: load, fault, healing, the wait until nothing is left to do, audit."""

import random
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from faults import audit, broker
from faults.audit import Findings
from faults.load import PACE_S, Client, Load
from faults.report import Row
from faults.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ANSWERS_BEFORE = 60
ANSWERS_AFTER = 40

Fault = Callable[[], None]


def lasts(seconds: float) -> None:
    """Let a fault last for a while: only time ends it."""
    time.sleep(seconds)


@dataclass
class Trial:
    """The service under one fault, with a seed; its figures are added to `rows`.

    A fault that makes images fail enters their keys and codes in `failed`, and one that causes dead letters enters how
    many, by queue, in `dead`. A client pauses for `pace_s` between two requests: the work of a long fault must be done
    within the time to heal, on two processors. `answers_all` is set if no request may fail.
    """

    name: str
    seed: int
    stack: Stack
    rows: list[Row]
    client: type[Client] = Client
    pace_s: float = PACE_S
    failed: dict[str, str] = field(default_factory=dict)
    dead: dict[str, int] = field(default_factory=dict)
    answers_all: bool = False
    bystanders: list[Client] = field(default_factory=list)
    passed: bool = False

    @cached_property
    def s3(self) -> "S3Client":
        """A client of S3 itself, past the proxy."""
        return self.stack.s3()

    @cached_property
    def prefix(self) -> str:
        """The beginning of all keys of this trial; another run with the same seed on the same stack has another one."""
        return f"{self.name}-{time.time_ns() // 1_000_000}"

    @cached_property
    def load(self) -> Load:
        """The clients of the load, with their collections created."""
        clients = [
            self.client(api, self.s3, f"{self.prefix}/{number}", random.Random(f"{self.seed}/{number}"), self.pace_s)
            for number, api in enumerate(self.stack.users)
        ]
        for client in clients:
            client.api.close()  # an earlier fault may have cut the connection
            client.make_collections()
        return Load(clients)

    def bystander(self) -> Client:
        """Return a client that takes no part in the load; its ledger is audited with the others."""
        number = len(self.load.clients) + len(self.bystanders)
        client = Client(self.stack.new_user(), self.s3, f"{self.prefix}/{number}", random.Random(self.seed))
        self.bystanders.append(client)
        return client

    def survives(self, fault: Fault, hit: Collection[str] = ()) -> None:
        """Run `fault` under load, and audit everything when it is over.

        `fault` returns when it is healed. Only the services in `hit` may be restarted by it.
        """
        self.begin()
        with self.load.running():
            self.load.wait_for_answers(ANSWERS_BEFORE)
            fault()
            healed = time.monotonic()
            self.load.wait_for_answers(ANSWERS_AFTER, within_s=audit.PATIENCE_S)
        self.conclude(healed, hit)

    def begin(self) -> None:
        """Note the state before the fault."""
        broker.purge_dead_letters(self.stack.amqp_url())
        self.stack.query("catalog", "DELETE FROM dead_letters RETURNING queue")
        self._since = datetime.now(UTC)
        self._starts = self.stack.starts()
        assert self.load.clients

    def conclude(self, healed: float, hit: Collection[str] = ()) -> None:
        """Wait until nothing is left to do, then audit everything; fail with all findings."""
        heal_s = audit.wait_for_rest(self.stack, healed)
        self.stack.wait_until_serving()
        clients = [*self.load.clients, *self.bystanders]
        findings = self.examine(clients)
        findings.others += audit.restarted(self._starts, self.stack.starts(), hit)
        findings.others += audit.leaks(self.stack, clients, self._since)
        if self.answers_all:
            findings.others += [f"not answered: {entry}" for entry in self.load.entries() if not entry.acknowledged]
        if (dead := audit.dead_letters(self.stack)) != self.dead:
            kept = self.stack.query("catalog", "SELECT queue, reason, type, s3_key FROM dead_letters")
            findings.others.append(f"dead letters are {dead}, not {self.dead}: {kept}")
        self.rows.append(self._row(findings, heal_s))
        assert not findings.all(), "\n".join(findings.all())
        self.passed = True

    def examine(self, clients: list[Client]) -> Findings:
        """Compare what the clients were answered with what is there."""
        return audit.examine(self.stack, self.s3, clients, self.prefix, self.failed)

    def keep_ledger(self, file: Path) -> None:
        """Write every request with its answer into `file`, to find out why a trial failed."""
        file.write_text("".join(f"{entry}\n" for entry in self.load.entries()))

    def _row(self, findings: Findings, heal_s: float) -> Row:
        return Row(
            self.name,
            self.seed,
            len(self.load.entries()),
            self.load.acknowledged(),
            len(findings.lost),
            len(findings.duplicated),
            round(heal_s, 1),
        )
