"""One trial: load, fault, healing, rest, audit."""

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
    """Let a fault last: no condition ends it but time."""
    time.sleep(seconds)


@dataclass
class Trial:
    """The service under one fault, with a seed; ROWS gets what it shows.

    FAILED names the keys whose images have to fail, with their codes, and DEAD the dead letters that are due, by queue;
    a fault that brings about either enters them. PACE_S lies between two requests of a client: what they ask for during
    a long fault has to be done in the time to heal, by two processors. ANSWERS_ALL is set where no request may fail.
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
        """A client of S3 itself."""
        return self.stack.s3()

    @cached_property
    def prefix(self) -> str:
        """What all keys of this trial begin with; a run with the same seed in the same stack has another one."""
        return f"{self.name}-{time.time_ns() // 1_000_000}"

    @cached_property
    def load(self) -> Load:
        """The clients, which have made their collections."""
        clients = [
            self.client(api, self.s3, f"{self.prefix}/{number}", random.Random(f"{self.seed}/{number}"), self.pace_s)
            for number, api in enumerate(self.stack.users)
        ]
        for client in clients:
            client.api.close()  # an earlier fault may have cut it
            client.make_collections()
        return Load(clients)

    def bystander(self) -> Client:
        """Make a client that takes no part in the load; its ledger is audited with the others."""
        number = len(self.load.clients) + len(self.bystanders)
        client = Client(self.stack.new_user(), self.s3, f"{self.prefix}/{number}", random.Random(self.seed))
        self.bystanders.append(client)
        return client

    def survives(self, fault: Fault, hit: Collection[str] = ()) -> None:
        """Bring FAULT about under load, and audit everything when it is over.

        FAULT returns when it is healed. Of the services only those HIT may be restarted by it.
        """
        self.begin()
        with self.load.running():
            self.load.wait_for_answers(ANSWERS_BEFORE)
            fault()
            healed = time.monotonic()
            self.load.wait_for_answers(ANSWERS_AFTER, within_s=audit.PATIENCE_S)
        self.conclude(healed, hit)

    def begin(self) -> None:
        """Note how things are before the fault."""
        broker.purge_dead_letters(self.stack.amqp_url())
        self.stack.query("catalog", "DELETE FROM dead_letters RETURNING queue")
        self._since = datetime.now(UTC)
        self._starts = self.stack.starts()
        assert self.load.clients

    def conclude(self, healed: float, hit: Collection[str] = ()) -> None:
        """Wait for rest and audit everything; fail with all that is wrong."""
        heal_s = audit.wait_for_rest(self.stack, healed)
        self.stack.wait_until_serving()
        clients = [*self.load.clients, *self.bystanders]
        findings = audit.examine(self.stack, self.s3, clients, self.prefix, self.failed)
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

    def keep_ledger(self, file: Path) -> None:
        """Write every request with its answer into FILE, for whoever looks at a failure."""
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
