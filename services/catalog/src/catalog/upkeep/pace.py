"""How fast the commands of operators queue work, so that fresh uploads are done first."""

from dataclasses import dataclass

import click

from catalog.adapters.operators_store import OperatorsStore
from chassis.database.database import Database

# Images queued in one transaction, whose keys are locked together.
BATCH = 100
# Seconds until a command that is held back tries again.
POLL_S = 0.25

in_flight_option = click.option(
    "--in-flight",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Queue only while fewer keys than this have open jobs, including those of fresh uploads.",
)
rate_option = click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    default=10,
    show_default=True,
    help="Queue at most this many images a second.",
)


@dataclass(frozen=True)
class Pace:
    """How fast images are queued: at most `rate` a second, and only while fewer than `in_flight` keys have open jobs.

    The jobs of others count as well.
    """

    in_flight: int
    rate: float

    def room(self, database: Database[OperatorsStore]) -> int:
        """Return how many images may be queued together now. Raise `DependencyDownError`."""
        left = self.in_flight - database.read(_count_open_keys, self.in_flight)
        return max(0, min(left, BATCH, max(1, int(self.rate))))


def _count_open_keys(store: OperatorsStore, limit: int) -> int:
    return store.count_open_keys(limit)
