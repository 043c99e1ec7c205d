"""Commands: how they start, and how their errors look to an operator: one line and status 1 instead of a traceback."""

import re
from collections.abc import Sequence
from typing import Any

import click
import structlog
from click.shell_completion import get_completion_class

from chassis import logs
from chassis.errors import DependencyDownError
from chassis.settings import ProcessSettings, effective


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script by which a shell completes these commands, for example for eval in ~/.bashrc."""
    root = ctx.find_root()
    name = root.info_name or ""
    kind = get_completion_class(shell)
    if kind is None:
        raise AssertionError("click completes in each of these shells")
    click.echo(kind(root.command, {}, name, f"_{name.upper()}_COMPLETE").source())


class Commands(click.Group):
    """The commands of the distribution `package`, with `--version` and `completion` beside its own.

    It prints the errors listed in `refusals`, and those of dependencies, as one line.
    """

    def __init__(self, *args: Any, package: str, refusals: tuple[type[Exception], ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._refusals = refusals
        click.version_option(package_name=package, message="%(prog)s %(version)s")(self)
        self.add_command(completion)

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
