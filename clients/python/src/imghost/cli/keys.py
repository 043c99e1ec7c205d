"""API keys. The key of this machine may not make others, unless you logged in so: the password is asked for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click

from imghost import accounts
from imghost.cli.commands import PATIENCE_S, Commands, connect, json_option, password_of, tell
from imghost.client import Client
from imghost.models import ApiKey, Scope

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@click.group(cls=Commands)
def keys() -> None:
    """Make, show and revoke API keys, the credentials for programs.

    Without the scope keys (imghost login --scope) these commands ask for the password.
    """


def _password_option(command: Decorated) -> Decorated:
    option = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
    return option(command)


@contextmanager
def _connected(*, password_stdin: bool) -> Iterator[Client]:
    """Connect with the kept key if it has the scope, else with the password."""
    account, api_key = accounts.credentials()
    if not password_stdin:
        with Client(account.url, api_key=api_key, timeout_s=PATIENCE_S) as client:
            if "keys" in client.get_api_key(account.key_id).scopes:
                yield client
                return
    password = password_of(account.username, from_stdin=password_stdin)
    with Client(account.url, username=account.username, password=password, timeout_s=PATIENCE_S) as client:
        yield client


def _line(key: ApiKey) -> str:
    used = f"used {key.date_last_used:%Y-%m-%d}" if key.date_last_used else "never used"
    ends = f"until {key.expires_at:%Y-%m-%d}" if key.expires_at else "no end"
    columns = (key.id, f"{key.date_created:%Y-%m-%d}", f"{used:<15}", f"{ends:<16}", " ".join(key.scopes))
    return "  ".join((*columns, key.description)).rstrip()


@keys.command("ls")
@_password_option
@json_option
def ls(*, password_stdin: bool, as_json: bool) -> None:
    """List your API keys, newest first."""
    with _connected(password_stdin=password_stdin) as client:
        found = list(client.list_api_keys())
    tell(found, *map(_line, found), as_json=as_json)


@keys.command()
@click.argument("key_id", required=False)
@json_option
def show(key_id: str | None, *, as_json: bool) -> None:
    """Show the API key with this id, or that of this machine."""
    account, _ = accounts.credentials()
    with connect() as client:
        key = client.get_api_key(key_id or account.key_id)
    tell(key, _line(key), as_json=as_json)


@keys.command()
@click.option("--description", default="", help="Where the key is used.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(["read", "write", "upload", "keys"]),
    help="What it may be used for; all if not given.",
)
@click.option("--days", type=click.IntRange(1, 36500), help="Days until it expires; never if not given.")
@_password_option
@json_option
def create(
    description: str, scopes: tuple[Scope, ...], days: int | None, *, password_stdin: bool, as_json: bool
) -> None:
    """Make an API key, and print its secret, for the only time."""
    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    with _connected(password_stdin=password_stdin) as client:
        made = client.create_api_key(description, scopes=scopes or None, expires_at=expires_at)
    tell(made, made.key, as_json=as_json)


@keys.command()
@click.argument("key_id")
@click.option("--description", required=True, help="Where the key is used.")
@_password_option
@json_option
def edit(key_id: str, description: str, *, password_stdin: bool, as_json: bool) -> None:
    """Change the description of an API key."""
    with _connected(password_stdin=password_stdin) as client:
        key = client.update_api_key(key_id, description=description)
    tell(key, _line(key), as_json=as_json)


@keys.command()
@click.argument("key_id")
@click.option("--overlap", "overlap_s", type=click.IntRange(0, 604800), help="Seconds for which the old one works.")
@_password_option
@json_option
def rotate(key_id: str, overlap_s: int | None, *, password_stdin: bool, as_json: bool) -> None:
    """Give an API key a new secret, and print it, for the only time."""
    account, api_key = accounts.credentials()
    with _connected(password_stdin=password_stdin) as client:
        made = client.rotate_api_key(key_id, overlap_s=overlap_s)
    if account.key_id == made.id and api_key != made.key:
        accounts.keep(account, made.key)
    tell(made, made.key, as_json=as_json)


@keys.command()
@click.argument("key_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_password_option
@json_option
def rm(key_id: str, *, yes: bool, password_stdin: bool, as_json: bool) -> None:
    """Revoke an API key, and those that were made with it."""
    if not yes:
        click.confirm(f"Revoke the API key {key_id}?", abort=True, err=True)
    with _connected(password_stdin=password_stdin) as client:
        client.delete_api_key(key_id)
    tell({"revoked": key_id}, f"revoked {key_id}", as_json=as_json)
