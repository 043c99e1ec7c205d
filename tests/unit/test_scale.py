"""The simulation of a large installation keeps what it simulates: nothing is lost, made up, or ready before it came."""

from dataclasses import replace

import numpy as np
import pytest
from benchmarks.scale import DAY_S, DAYS, SCENARIOS, Installation, Scenario, simulate, table

SMALL = Installation(uploads_a_second=2.0, stored=1000.0)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_what_arrives_is_ready_or_waits(scenario: Scenario) -> None:
    outcome = simulate(SMALL, scenario, seed=3)
    arrived = outcome.ready.sum() + outcome.backlog[-1]
    expected = (SMALL.uploads_a_second * scenario.rate(np.arange(DAYS * DAY_S, dtype=np.float64))).sum()
    assert arrived == pytest.approx(expected, rel=0.05)
    assert np.min(outcome.backlog) >= 0
    assert outcome.reprocessed[-1] == (SMALL.stored if scenario.reprocess else 0)


def test_a_burst_makes_uploads_wait_and_workers_help() -> None:
    ordinary, burst = SCENARIOS[:2]
    waits = simulate(SMALL, burst, seed=3).percentile(1.0)
    assert waits > 10 * simulate(SMALL, ordinary, seed=3).percentile(1.0)
    assert simulate(replace(SMALL, headroom=10.0), burst, seed=3).percentile(1.0) < waits / 10


def test_same_seed_same_table() -> None:
    said = [table(SMALL, [simulate(SMALL, SCENARIOS[0], seed)]) for seed in (3, 3)]
    assert said[0] == said[1]
