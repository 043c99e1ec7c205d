"""Commands: how they start, what they print, and how their errors look: one line and a status, not a traceback.

With `--json`, which each of them has, standard output is one JSON document and nothing else. Logs, progress and
questions go to standard error.
"""

import json
import re
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any, TypeVar

import click
import structlog
from click.shell_completion import get_completion_class

from chassis import logs, metrics, tracing
from chassis.errors import DependencyDownError
from chassis.settings import ProcessSettings, defaults_in_use, effective

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def json_option(command: Decorated) -> Decorated:
    """Add the option `--json` to a command, as its argument `as_json`."""
    option = click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on standard output.")
    return option(command)


def tell(document: Any, *lines: str, as_json: bool) -> None:
    """Print what a command has to say: `document` as JSON with `as_json`, else `lines`."""
    for line in [json.dumps(document, indent=2, default=str)] if as_json else lines:
        click.echo(line)


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@json_option
@click.pass_context
def completion(ctx: click.Context, shell: str, *, as_json: bool) -> None:
    """Print the script by which a shell completes these commands, for example for eval in ~/.bashrc."""
    root = ctx.find_root()
    name = root.info_name or ""
    kind = get_completion_class(shell)
    if kind is None:
        raise AssertionError("click completes in each of these shells")
    script = kind(root.command, {}, name, f"_{name.upper()}_COMPLETE").source()
    tell({"shell": shell, "script": script}, script, as_json=as_json)


class Commands(click.Group):
    """The commands of the distribution `package`, with `--version` and `completion` beside its own.

    It prints the errors listed in `refusals`, and those of dependencies, as one line. The status is the `exit_code` of
    the error, 1 if it has none.
    """

    def __init__(self, *args: Any, package: str, refusals: tuple[type[Exception], ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._refusals = refusals
        click.version_option(package_name=package, message="%(prog)s %(version)s")(self)
        self.add_command(completion)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the chosen command. It logs errors only, unless it configures logging itself, as long ones do."""
        name, command, rest = super().resolve_command(ctx, args)
        logs.configure(f"{ctx.info_name}-{name}", "error", "text", stream=sys.stderr)
        return name, command, rest

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except DependencyDownError as fault:
            raise click.ClickException(fault.for_operators) from fault
        except Exception as fault:
            if isinstance(fault, self._refusals):
                click.ClickException(str(fault)).show()
                ctx.exit(getattr(fault, "exit_code", 1))
            raise


def start(
    service: str, settings: ProcessSettings, secrets: Sequence[re.Pattern[str]] = (), *, as_json: bool = False
) -> None:
    """Configure the logs of a long-running process as `settings` say; log the settings in force, and show its version.

    They are printed as JSON, too, with `as_json`; the logs go to standard error then. Whatever matches one of the
    patterns `secrets` is removed from all logs. Passwords that everybody knows are warned of.
    """
    stream = sys.stderr if as_json else sys.stdout
    logs.configure(service, settings.log_level, settings.log_format, secrets, stream)
    shown = effective(settings)
    log = structlog.get_logger("start")
    log.info("starting", **shown)
    if names := defaults_in_use(settings):
        log.warning(
            "DEFAULT PASSWORDS ARE IN USE, WHICH EVERYBODY CAN READ IN docker-compose.yml",
            settings=names,
            advice="see Passwords in the README; make secrets writes good ones",
        )
    package = f"imghost-{service.partition('-')[0]}"
    metrics.show_build(service, package)
    tracing.name(service, version(package))
    if as_json:
        tell({"service": service, "version": version(package), "settings": shown}, as_json=True)


def start_migration(service: str, settings: ProcessSettings) -> None:
    """Configure the logs of a command that migrates as `settings` say; they go to standard error."""
    logs.configure(service, settings.log_level, settings.log_format, stream=sys.stderr)


def tell_migration(later: str | None, *said: str, as_json: bool) -> None:
    """Print what a migration has `said`, and if `later` is given that there was nothing to do.

    `later` is the revision of the schema, which is of a later release.
    """
    if later is not None:
        said = (
            f"the schema is of a later release (revision {later}), which this one works with: nothing to do",
            *said,
        )
    tell({"later_revision": later, "said": said}, *said, as_json=as_json)
