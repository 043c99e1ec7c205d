"""One broker, one database or both are lost under load, and more brokers than a queue can do without."""

from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from deadlines import until
from faults.ha.stack import BROKERS, DATABASES
from faults.ha.trial import HaTrial
from faults.trial import lasts

CUT_S = 30.0
# A publisher gives up long before the broker or heartbeats tell that a node is gone, which takes a minute.
GIVEN_UP_S = 40.0
ANSWERS_MEANWHILE = 100


@pytest.mark.parametrize("role", ["leader", "follower"])
def test_broker_killed(trial: HaTrial, role: str) -> None:
    trial.answers_all = True

    def fault() -> None:
        broker = trial.ha.leader() if role == "leader" else trial.ha.follower()
        trial.stack.kill(broker)
        trial.makes_an_image()
        trial.stack.start(broker)
        trial.ha.wait_for_brokers()

    trial.survives(fault, hit=BROKERS)


def test_broker_cut_off(trial: HaTrial) -> None:
    trial.answers_all = True

    def fault() -> None:
        with trial.stack.cut_off("broker", BROKERS[-1]):
            lasts(CUT_S)
        trial.ha.wait_for_brokers()

    trial.survives(fault, hit=BROKERS)


def test_two_brokers_killed(trial: HaTrial) -> None:
    trial.answers_all = True

    def fault() -> None:
        for broker in BROKERS[1:]:
            trial.stack.kill(broker)
        trial.load.wait_for_answers(ANSWERS_MEANWHILE)
        assert due(trial), "no event waits in the outbox"
        for broker in BROKERS[1:]:
            trial.stack.start(broker)
        trial.ha.wait_for_brokers()

    trial.survives(fault, hit=BROKERS)


def test_two_brokers_frozen(trial: HaTrial) -> None:
    """The last broker takes messages, and cannot confirm them: its queues have lost their majority."""
    trial.answers_all = True
    trial.pace_s *= 3

    def fault() -> None:
        since = datetime.now(UTC).isoformat()
        with ExitStack() as frozen:
            with trial.stack.s3_behaving("slow", delay_s=2.0):
                lasts(2.0)  # imaging has jobs in hand, whose results it cannot send then
                for broker in BROKERS[1:]:
                    frozen.enter_context(trial.stack.paused(broker))
            for service, words in (("catalog-worker", "relay delayed"), ("imaging", "verdict not applied")):
                until(
                    lambda service=service, words=words: trial.ha.said(service, words, since),  # type: ignore[misc]
                    GIVEN_UP_S,
                    f"{service} waits for a confirmation without an end",
                )
            assert due(trial), "no event waits in the outbox"
        trial.ha.wait_for_brokers()

    trial.survives(fault, hit=BROKERS)


def test_standby_killed(trial: HaTrial) -> None:
    def fault() -> None:
        standby = trial.ha.standby()
        trial.stack.kill(standby)
        trial.makes_an_image()
        assert not trial.ha.has_standby()
        trial.stack.start(standby)
        trial.ha.wait_for_standby()

    trial.survives(fault, hit=DATABASES)


def test_standby_and_then_primary_killed(trial: HaTrial) -> None:
    """Nobody can make a standby the primary that lacks what was answered."""

    def fault() -> None:
        primary, standby = trial.ha.primary(), trial.ha.standby()
        trial.stack.kill(standby)
        until(lambda: not trial.ha.has_standby(), 20, "the primary does not go on alone")
        assert "stop it first" in trial.ha.refusal_to_fail_over()
        trial.makes_an_image()
        trial.stack.kill(primary)
        trial.stack.start(standby)
        assert "has gone on alone since" in trial.ha.refusal_to_fail_over()
        trial.stack.start(primary)
        trial.ha.wait_for_standby()

    trial.survives(fault, hit=DATABASES)


def test_primary_killed_and_started_again(trial: HaTrial) -> None:
    def fault() -> None:
        primary = trial.ha.primary()
        trial.stack.kill(primary)
        trial.stack.start(primary)
        trial.ha.wait_for_standby()

    trial.survives(fault, hit=DATABASES)


def test_primary_killed_and_failed_over(trial: HaTrial) -> None:
    def fault() -> None:
        former = trial.ha.primary()
        trial.stack.kill(former)
        trial.ha.fail_over()
        trial.makes_an_image()
        since = datetime.now(UTC).isoformat()
        trial.stack.start(former)
        until(lambda: trial.ha.said(former, "is the primary now", since), 20, "the former primary starts again")
        trial.ha.make_standby(former)

    trial.survives(fault, hit=DATABASES)


def test_broker_and_primary_killed(trial: HaTrial) -> None:
    def fault() -> None:
        broker, former = trial.ha.leader(), trial.ha.primary()
        trial.stack.kill(broker)
        trial.stack.kill(former)
        trial.ha.fail_over()
        trial.makes_an_image()
        trial.stack.start(broker)
        trial.ha.wait_for_brokers()
        trial.ha.make_standby(former)

    trial.survives(fault, hit={*BROKERS, *DATABASES})


def due(trial: HaTrial) -> int:
    """Count the events that wait in the outbox of catalog."""
    [found] = trial.stack.query("catalog", "SELECT count(*) AS due FROM outbox WHERE state = 'due'")
    return int(found["due"])
