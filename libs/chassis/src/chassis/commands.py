"""Commands: what a service's own errors look like to an operator: one line, status 1, no traceback."""

import re
from collections.abc import Sequence
from typing import Any

import click
import structlog

from chassis import logs
from chassis.errors import DependencyDownError
from chassis.settings import ProcessSettings, effective


class Commands(click.Group):
    """A group of commands that turns the errors REFUSALS into messages."""

    def __init__(self, *args: Any, refusals: tuple[type[Exception], ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._refusals = refusals

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command; what it logs is errors only, unless it is a long-running one that says otherwise."""
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
    """Begin a long-running process: logs as SETTINGS say, without SECRETS; first of all the settings in force."""
    logs.configure(service, settings.log_level, settings.log_format, secrets)
    structlog.get_logger("start").info("starting", **effective(settings))


def tell_of_migration(later: str | None) -> None:
    """Say what `migrate` did not do where the schema is at LATER, a revision of a later release."""
    if later is not None:
        click.echo(f"the schema is of a later release (revision {later}), which this one works with: nothing to do")
