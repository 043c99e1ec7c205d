"""Commands: how they start, and how their errors look to an operator: one line and status 1 instead of a traceback."""

import re
from collections.abc import Sequence
from typing import Any

import click
import structlog

from chassis import logs
from chassis.errors import DependencyDownError
from chassis.settings import ProcessSettings, effective


class Commands(click.Group):
    """A group of commands that prints the errors listed in `refusals`, and those of dependencies, as one line."""

    def __init__(self, *args: Any, refusals: tuple[type[Exception], ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._refusals = refusals

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command. It logs errors only, unless it configures logging itself, as long-running ones do."""
        logs.configure(ctx.info_name or "", "error", "console")
        try:
            return super().invoke(ctx)
        except DependencyDownError as fault:
            raise click.ClickException(fault.for_operators) from fault
        except Exception as fault:
            if isinstance(fault, self._refusals):
                raise click.ClickException(str(fault)) from fault
            raise


def start(service: str, settings: ProcessSettings, secrets: Sequence[re.Pattern[str]] = ()) -> None:
    """Configure the logs of a long-running process as `settings` say, and log the settings in force.

    Whatever matches one of the patterns `secrets` is removed from all logs.
    """
    logs.configure(service, settings.log_level, settings.log_format, secrets)
    structlog.get_logger("start").info("starting", **effective(settings))


def report_migration(later: str | None) -> None:
    """Print that there was nothing to migrate, if `later` is given: the revision of the schema, of a later release."""
    if later is not None:
        click.echo(f"the schema is of a later release (revision {later}), which this one works with: nothing to do")
