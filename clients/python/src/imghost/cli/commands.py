"""What all commands have: JSON for programs, a client of who is logged in, and a status for each kind of error."""

import errno
import json
import sys
import unicodedata
from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec
from click.shell_completion import get_completion_class

from imghost import accounts
from imghost.accounts import NotLoggedInError, OpenSecretError
from imghost.client import Client
from imghost.errors import ImghostError, NoAnswerError, UploadFailedError
from imghost.problems import (
    CollectionNameTakenError,
    CredentialsError,
    InsufficientScopeError,
    NotFoundError,
    StaleError,
    UnavailableError,
)

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

FAILED = 1
PATIENCE_S = 15.0
"""For how long a person waits for a service that does not answer."""
_INTERRUPTED = 130
_STATUS: tuple[tuple[type[ImghostError], int], ...] = (
    (NotFoundError, 3),
    (CollectionNameTakenError, 4),
    (StaleError, 5),
    (CredentialsError, 6),
    (NotLoggedInError, 6),
    (OpenSecretError, 6),
    (NoAnswerError, 7),
    (UnavailableError, 7),
)


class Commands(click.Group):
    """Commands that print an error as one line, and end with the status for it."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(_INTERRUPTED)
        except ImghostError as fault:
            click.ClickException(plain(_told(fault))).show()
            ctx.exit(_status(fault))
        except OSError as fault:
            if fault.errno == errno.EPIPE:  # who reads the output has read enough
                raise
            click.ClickException(plain(f"{fault.filename}: {fault.strerror}")).show()
            ctx.exit(FAILED)


def _status(fault: ImghostError) -> int:
    if isinstance(fault, UploadFailedError) and not fault.code:
        return 7
    return next((status for kind, status in _STATUS if isinstance(fault, kind)), FAILED)


def _told(fault: ImghostError) -> str:
    if isinstance(fault, InsufficientScopeError):
        return f"{fault} Log in again with the scope, as imghost login --help says."
    if isinstance(fault, CredentialsError):
        return f"{fault} If your API key has expired or was revoked: imghost login"
    return str(fault)


def json_option(command: Decorated) -> Decorated:
    """Add the option `--json` to a command, as its argument `as_json`."""
    option = click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else, on standard output.")
    return option(command)


def tell(document: Any, *lines: str, as_json: bool) -> None:
    """Print what a command has to say: `document` as JSON with `as_json`, else `lines`."""
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(document), indent=2, ensure_ascii=False))
        return
    for line in lines:
        click.echo(plain(line))


def plain(text: str) -> str:
    """Return `text` without the control characters that a terminal would obey; titles and names may have them."""
    return "".join(
        char if char == "\n" or unicodedata.category(char) not in {"Cc", "Cs"} else "\ufffd" for char in text
    )


def secret_from_stdin() -> str:
    """Return the first line of standard input."""
    return sys.stdin.readline().rstrip("\r\n")


def password_of(username: str, *, from_stdin: bool) -> str:
    """Return a password from standard input, or ask for it."""
    if from_stdin:
        return secret_from_stdin()
    if not sys.stdin.isatty():
        raise click.UsageError("the password is asked for in a terminal; elsewhere give it by --password-stdin")
    return str(click.prompt(f"Password of {username}", hide_input=True, err=True))


def connect(timeout_s: float = PATIENCE_S) -> Client:
    """Return a client of who is logged in."""
    account, api_key = accounts.credentials()
    return Client(account.url, api_key=api_key, timeout_s=timeout_s)


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@json_option
@click.pass_context
def completion(ctx: click.Context, shell: str, *, as_json: bool) -> None:
    """Print the script by which a shell completes these commands, for example for eval in ~/.bashrc."""
    root = ctx.find_root()
    kind = get_completion_class(shell)
    if kind is None:
        raise AssertionError("click completes in each of these shells")
    script = kind(root.command, {}, "imghost", "_IMGHOST_COMPLETE").source()
    tell({"shell": shell, "script": script}, script, as_json=as_json)
