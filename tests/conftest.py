"""Makes the fixtures of the modules beside this file known to all tests, and keeps the tests' logs apart."""

from collections.abc import Iterator

import pytest
import structlog

pytest.register_assert_rewrite("storage_contract")
pytest_plugins = ["catalog_steps", "containers", "databases", "homes", "poolers", "s3", "stacks", "web_stack"]


@pytest.fixture(autouse=True)
def own_logs() -> Iterator[None]:
    """Undo what a command that was called within a test has said about logs: the next test may look at its own."""
    yield
    structlog.reset_defaults()
