"""Registers the fixtures of the modules beside this file for all tests, and keeps the logs of tests apart."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from chassis import repeated_refusals

pytest.register_assert_rewrite("storage_contract")
pytest_plugins = [
    "catalog_steps",
    "containers",
    "databases",
    "homes",
    "kept_spans",
    "poolers",
    "s3",
    "stacks",
    "web_stack",
]
pytest_plugins += ["reconcile_steps"]  # after those that it imports: pytest rewrites their asserts first


@pytest.fixture(autouse=True)
def own_logs() -> Iterator[None]:
    """Undo how a command that a test called has configured logs, so that the next test can look at its own."""
    loggers = [logging.getLogger(), logging.getLogger("audit")]
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    yield
    for _ in range(2):  # then nothing is waiting, and no kind of refusal is known
        repeated_refusals.flush()
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers[:], logger.level, logger.propagate = handlers, level, propagate
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
