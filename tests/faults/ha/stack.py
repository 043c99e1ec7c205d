"""The compose stack with ha.yml, and what operators do with its brokers and databases."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from deadlines import until
from faults.stack import FILES, PORTS, PROJECT, READY_S, SECRETS, Stack, container, run
from imaging.worker import JOBS

BROKERS = ("rabbitmq", "rabbitmq-2", "rabbitmq-3")
DATABASES = ("postgres", "postgres-2")
OWN_SECRETS = ("POSTGRES_REPLICATION_PASSWORD", "RABBITMQ_ERLANG_COOKIE")
WATCH = "postgres-watch"


@dataclass
class HaStack(Stack):
    """The running stack with three brokers and two databases."""

    files: ClassVar[Sequence[str]] = (*FILES, "ha.yml", "tests/faults/ha/compose.yml")
    published: ClassVar[Mapping[str, int]] = {**PORTS, "POSTGRES_2_PORT": 25433}

    environment: dict[str, str] = field(
        default_factory=lambda: {name: secrets.token_urlsafe(16) for name in (*SECRETS, *OWN_SECRETS)}
    )

    def up(self) -> None:
        """Build and start everything, and wait until each part has its copies."""
        super().up()
        self.wait_for_standby()
        self.wait_for_brokers()

    def postgres(self) -> dict[str, Any]:
        """Return where both servers are, of which libpq takes the primary."""
        ports = f"{self.published['POSTGRES_PORT']},{self.published['POSTGRES_2_PORT']}"
        return {"host": "127.0.0.1,127.0.0.1", "port": ports, "target_session_attrs": "read-write"}

    # --- databases ---

    def primary(self) -> str:
        """Return the service that is the primary."""
        return self.execute(WATCH, "sh", "-c", "cat $STATE/primary").strip()

    def standby(self) -> str:
        """Return the service that is the standby, or is to become it."""
        (other,) = {*DATABASES} - {self.primary()}
        return other

    def has_standby(self) -> bool:
        """Return whether commits wait for a standby that has all that was answered."""
        return self.execute(WATCH, "sh", "-c", "test -e $STATE/alone || echo together").strip() == "together"

    def wait_for_standby(self) -> None:
        """Wait until the standby has all that was answered."""
        until(self.has_standby, READY_S, "the standby lacks what was answered")

    def fail_over(self) -> None:
        """Make the standby the primary, by the operator's command."""
        self.execute(WATCH, "failover")

    def refusal_to_fail_over(self) -> str:
        """Try to make the standby the primary; return what the operator's command says instead."""
        return self.execute(WATCH, "sh", "-c", "! failover")

    def make_standby(self, service: str) -> None:
        """Make a new standby of a former primary, as docs/operations.md has it."""
        self.compose("rm", "--stop", "--force", service)
        run("docker", "volume", "rm", f"{PROJECT}_{service}-data")
        self.compose("up", "--detach", "--no-deps", "--wait", service)
        self.wait_for_standby()

    # --- brokers ---

    def leader(self) -> str:
        """Return the broker that leads the queue of imaging's jobs."""
        (node,) = {queue["leader"] for queue in self._queues("leader") if queue["name"] == JOBS.name}
        return str(node).partition("@")[2]

    def follower(self) -> str:
        """Return a broker that does not lead the queue of imaging's jobs."""
        leader = self.leader()
        return next(broker for broker in reversed(BROKERS) if broker != leader)

    def wait_for_brokers(self) -> None:
        """Wait until all three brokers take part in every queue."""
        for broker in BROKERS:
            self.wait_until_healthy(broker)

        def are_whole() -> bool:
            try:
                return all(len(queue["online"]) == len(BROKERS) for queue in self._queues("online"))
            except pytest.fail.Exception:  # a broker that was alone is still starting again
                return False

        until(are_whole, READY_S, "a queue is not on all brokers")

    def _queues(self, column: str) -> list[dict[str, Any]]:
        told = self.execute(BROKERS[0], "rabbitmqctl", "--quiet", "--formatter=json", "list_queues", "name", column)
        found: list[dict[str, Any]] = json.loads(told)
        return found

    def said(self, service: str, words: str, since: str) -> bool:
        """Return whether a service has logged `words` since a moment."""
        return words in run("docker", "logs", "--since", since, container(service))
