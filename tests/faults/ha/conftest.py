"""The stack with ha.yml, which the fault tests of this folder share."""

from collections.abc import Iterator

import pytest

from faults.ha.stack import HaStack
from faults.ha.trial import HaTrial


@pytest.fixture(scope="session")
def fault_stack(engine: None) -> Iterator[HaStack]:  # noqa: ARG001
    """The stack of the fault tests; the first of them starts it."""
    stack = HaStack()
    yield stack
    stack.down()


@pytest.fixture
def kind_of_trial() -> type[HaTrial]:
    """The class of the trials."""
    return HaTrial
