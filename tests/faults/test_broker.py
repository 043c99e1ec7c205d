"""A broker that accepts nothing, delivers more than once, or delivers in another order."""

from collections.abc import Callable

import pytest

from deadlines import until
from faults import broker
from faults.stack import Stack
from faults.trial import Trial, lasts

ALARM_S = 20.0  # twice as long as a publisher waits on a blocked connection
TWICE_MORE = 2
HELD = 15


def memory(stack: Stack, *, short: bool) -> None:
    limit = ("0",) if short else ("absolute", "600MB")
    stack.execute("rabbitmq", "rabbitmqctl", "--quiet", "set_vm_memory_high_watermark", *limit)


def disk(stack: Stack, *, short: bool) -> None:
    stack.execute("rabbitmq", "rabbitmqctl", "--quiet", "set_disk_free_limit", "100000GB" if short else "50MB")


@pytest.mark.parametrize("resource", [memory, disk])
def test_broker_alarm(trial: Trial, resource: Callable[..., None]) -> None:
    def is_raised() -> bool:
        alarms = trial.stack.execute("rabbitmq", "rabbitmqctl", "--quiet", "eval", "rabbit_alarm:get_alarms().")
        return "resource_limit" in alarms

    def fault() -> None:
        resource(trial.stack, short=True)
        try:
            until(is_raised, ALARM_S, "the broker raises no alarm")
            lasts(ALARM_S)
        finally:
            resource(trial.stack, short=False)

    trial.survives(fault)


def test_every_delivery_three_times(trial: Trial) -> None:
    def fault() -> None:
        with broker.copied(trial.stack.amqp_url(), TWICE_MORE):
            trial.load.wait_for_answers(150)

    trial.survives(fault)


@pytest.mark.short
def test_results_held_back_and_released_in_reverse(trial: Trial) -> None:
    def fault() -> None:
        with broker.results_held_back(trial.stack.amqp_url()) as held:
            until(lambda: len(held) >= HELD, 30, f"there are no {HELD} results")

    trial.survives(fault)
