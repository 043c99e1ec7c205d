"""Commands: what a service's own errors look like to an operator: one line, status 1, no traceback."""

from typing import Any

import click
import structlog

from chassis import logs
from chassis.problems import DependencyDownError
from chassis.settings import ProcessSettings, effective


class Commands(click.Group):
    """A group of commands that turns the errors REFUSALS into messages."""

    def __init__(self, *args: Any, refusals: tuple[type[Exception], ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._refusals = (*refusals, DependencyDownError)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except Exception as fault:
            if isinstance(fault, self._refusals):
                raise click.ClickException(str(fault)) from fault
            raise


def start(service: str, settings: ProcessSettings) -> None:
    """Begin a long-running process: logs as SETTINGS say, and the settings in force as the first line."""
    logs.configure(service, settings.log_level, settings.log_format)
    structlog.get_logger("start").info("starting", **effective(settings))
