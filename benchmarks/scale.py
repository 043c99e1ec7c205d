"""What happens to uploads on a large installation, simulated: `make simulate` (SEED=1).

Two days in steps of a second: uploads arrive as a Poisson process whose rate follows the day, wait for the database,
then in the queue for a worker, first come, first served. A reprocess gets what fresh uploads leave. There are as many
workers as the busiest hour takes, and some headroom. Prints two tables, and writes a chart to docs/images.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tabulate import tabulate

from benchmarks.charts import Line, chart

IMAGES = Path(__file__).parents[1] / "docs" / "images"
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 24 * 3600
DAYS = 2
NOTICED_S = 10
SHOWN = 11, 15
"""The hours of the first day that the chart shows."""
BEGINS_S = 12 * HOUR_S - 10 * MINUTE_S
"""When faults and bursts begin: just before the busiest hour, which is the worst time."""

Series = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Installation:
    """How much of everything there is; rates are of pictures a second."""

    uploads_a_second: float = 1000.0  # on average over the day
    swing: float = 0.6  # of the day around that average
    picture_s: float = (
        0.052  # that a process of imaging is busy with one picture, of 12 megapixels (docs/performance.md)
    )
    spread: float = 0.5  # of that time, as the standard deviation of its logarithm
    headroom: float = 1.3  # capacity beyond the busiest hour
    stored: float = 100e6  # images

    @property
    def busiest(self) -> float:
        """The rate of uploads in the busiest hour."""
        return self.uploads_a_second * (1 + self.swing)

    @property
    def processes(self) -> int:
        """How many processes of imaging there are."""
        return int(np.ceil(self.busiest * self.headroom * self.picture_s))

    @property
    def database(self) -> float:
        """How many registrations, or results, a second the databases take together."""
        return 2 * self.busiest * self.headroom


@dataclass(frozen=True)
class Scenario:
    """What is different from an ordinary day: functions of the second of the day."""

    name: str
    rate: Callable[[Series], Series] = np.ones_like  # of uploads, by which the ordinary one is multiplied
    workers: Callable[[Series], Series] = np.ones_like  # the part of the processes that is there
    slowness: Callable[[Series], Series] = np.ones_like  # of each picture
    database: Callable[[Series], Series] = np.ones_like  # the part of its capacity that is there
    reprocess: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of a scenario: for each second the fresh backlog, and the wait of those that became ready then."""

    scenario: Scenario
    stored: float
    backlog: Series
    wait_s: Series
    ready: Series
    reprocessed: Series

    def percentile(self, part: float) -> float:
        """Return the wait in seconds that `part` of all uploads did not exceed."""
        order = np.argsort(self.wait_s)
        done = np.cumsum(self.ready[order])
        return float(self.wait_s[order][np.searchsorted(done, part * done[-1])])

    @property
    def behind_s(self) -> float:
        """For how many seconds uploads became ready that had waited for more than ten."""
        return float(np.count_nonzero(self.wait_s > NOTICED_S))

    @property
    def reprocessed_after_h(self) -> float | None:
        """After how many hours everything was processed again; None if that was not to be done, or takes longer."""
        nearly_all = self.stored - 1
        if nearly_all < 0 or self.reprocessed[-1] < nearly_all:
            return None
        return float(np.searchsorted(self.reprocessed, nearly_all)) / HOUR_S


def between(begins_s: float, lasts_s: float, inside: float) -> Callable[[Series], Series]:
    """Return the function that is `inside` for `lasts_s` from `begins_s` on, and else 1."""
    return lambda at: np.where((at >= begins_s) & (at < begins_s + lasts_s), inside, 1.0)


SCENARIOS = (
    Scenario("an ordinary day"),
    Scenario("five times the uploads for ten minutes", rate=between(BEGINS_S, 10 * MINUTE_S, 5)),
    Scenario("a third of the workers gone for half an hour", workers=between(BEGINS_S, 30 * MINUTE_S, 2 / 3)),
    Scenario("S3 three times as slow for a quarter of an hour", slowness=between(BEGINS_S, 15 * MINUTE_S, 3)),
    Scenario("no database for two minutes", database=between(BEGINS_S, 2 * MINUTE_S, 0)),
    Scenario("everything is processed again", reprocess=True),
)


def simulate(of: Installation, scenario: Scenario, seed: int) -> Outcome:
    """Return what `scenario` brings."""
    random = np.random.default_rng(seed)
    seconds = np.arange(DAYS * DAY_S, dtype=np.float64)
    ordinary = of.uploads_a_second * (1 + of.swing * np.cos(2 * np.pi * (seconds / DAY_S - 0.5)))
    arrived = random.poisson(ordinary * scenario.rate(seconds)).astype(np.float64)
    # The sum of many times that are log-normal is normal; so is how many pictures fit into a second.
    mean = of.processes * scenario.workers(seconds) / (of.picture_s * scenario.slowness(seconds))
    variation = np.sqrt(np.expm1(of.spread**2))
    can_process = np.maximum(mean + random.normal(size=len(seconds)) * variation * np.sqrt(mean), 0)
    can_write = of.database * scenario.database(seconds)
    return _follow(scenario, arrived, can_process, can_write, of.stored if scenario.reprocess else 0.0)


def _follow(scenario: Scenario, arrived: Series, can_process: Series, can_write: Series, old: float) -> Outcome:
    """Pass the arrivals through the database, the queue and the workers, second by second."""
    unwritten = queued = 0.0
    ready, backlog, again = np.zeros_like(arrived), np.zeros_like(arrived), np.zeros_like(arrived)
    to_do = old
    for second, comes in enumerate(arrived):
        # Clients whose registration is refused come again. A result is written before the next registration: it is
        # in hand already, and its message goes back to the queue if it is not written.
        done = min(queued, can_process[second], can_write[second])
        registered = min(unwritten + comes, can_write[second] - done)
        unwritten += comes - registered
        queued += registered - done
        # What is left when all that was queued is done.
        left = min(can_process[second], can_write[second] - registered) - done
        again[second] = min(max(left, 0.0), to_do)
        to_do -= again[second]
        ready[second], backlog[second] = done, unwritten + queued
    # First come, first served: those who are ready in a second came when as many had arrived.
    came = np.searchsorted(np.cumsum(arrived), np.cumsum(ready) - 1e-6)
    wait_s = np.maximum(np.arange(len(arrived)) - came, 0).astype(np.float64)
    return Outcome(scenario, old, backlog, wait_s, ready, np.cumsum(again))


def table(of: Installation, outcomes: Sequence[Outcome]) -> str:
    """Return the table of all scenarios."""
    rows = [
        [
            each.scenario.name,
            *(f"{each.percentile(part):,.0f}" for part in (0.5, 0.99, 1.0)),
            f"{np.max(each.backlog):,.0f}",
            f"{each.behind_s / MINUTE_S:,.0f}",
            f"{hours:,.1f}" if (hours := each.reprocessed_after_h) is not None else "",
        ]
        for each in outcomes
    ]
    headers = ["", "p50 s", "p99 s", "longest s", "backlog", "minutes behind", "hours for all"]
    first = f"{of.uploads_a_second:,.0f} uploads a second, {of.busiest:,.0f} in the busiest hour; "
    return f"{first}{of.processes:,} processes of imaging\n{tabulate(rows, headers=headers)}"


def draw(outcomes: Sequence[Outcome], folder: Path) -> None:
    """Write a chart of the longest waits in each minute, a line for each scenario."""
    lines = []
    for each in outcomes:
        of_minute = each.wait_s[SHOWN[0] * HOUR_S : SHOWN[1] * HOUR_S].reshape(-1, MINUTE_S).max(axis=1)
        lines.append(Line(each.scenario.name, [float(value) for value in of_minute]))
    hours = [f"{hour}:00" for hour in range(SHOWN[0], SHOWN[1] + 1)]
    text = chart("Longest wait from upload to ready, in seconds", lines, hours)
    (folder / "scale-waits.svg").write_text(text, encoding="utf-8")


def sensitivity(of: Installation, seed: int) -> str:
    """Return how headroom changes what a burst and a lost zone do."""
    rows = []
    for headroom in (1.1, 1.3, 1.6, 2.0):
        tried = replace(of, headroom=headroom)
        found = [simulate(tried, scenario, seed) for scenario in SCENARIOS[:3]]
        rows.append([headroom, tried.processes, *(f"{each.percentile(1.0):,.0f}" for each in found)])
    text: str = tabulate(
        rows, headers=["headroom", "processes", *(f"longest s: {each.name}" for each in SCENARIOS[:3])]
    )
    return text


def main(environment: Mapping[str, str] = os.environ) -> None:
    """Print the tables, and write the chart."""
    seed = int(environment.get("SEED", "1"))
    of = Installation()
    outcomes = [simulate(of, scenario, seed) for scenario in SCENARIOS]
    sys.stdout.write(f"seed {seed}\n{table(of, outcomes)}\n\n{sensitivity(of, seed)}\n")
    draw(outcomes, IMAGES)


if __name__ == "__main__":
    main()
