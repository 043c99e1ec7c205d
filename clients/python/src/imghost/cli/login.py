"""Logging in and out. What is kept is an API key of this machine, never the password."""

import platform
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

import click

from imghost import accounts
from imghost.accounts import Account
from imghost.cli.commands import PATIENCE_S, connect, json_option, password_of, secret_from_stdin, tell
from imghost.client import Client
from imghost.errors import ImghostError
from imghost.models import Scope, User
from imghost.problems import CredentialsError, InsufficientScopeError

_SCOPES: tuple[Scope, ...] = ("read", "write", "upload")
_DAYS = 365


@click.command()
@click.argument("url", default="http://127.0.0.1:8080")
@click.option("-u", "--username", prompt="Username", help="Your username.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")
@click.option("--key-stdin", is_flag=True, help="Read an API key from standard input, instead of making one.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(["read", "write", "upload", "keys"]),
    default=_SCOPES,
    show_default=True,
    help="What the API key may be used for.",
)
@click.option(
    "--days", type=click.IntRange(1, 36500), default=_DAYS, show_default=True, help="Days until the API key expires."
)
@json_option
def login(  # noqa: PLR0913 - one for each option
    url: str,
    username: str,
    *,
    password_stdin: bool,
    key_stdin: bool,
    scopes: tuple[Scope, ...],
    days: int,
    as_json: bool,
) -> None:
    """Log in to the imghost at URL, with the password, or with an API key that you have.

    The password makes an API key for this machine, and is not kept. The key lies in the key ring of the system if there
    is one, else in a file that only you can read.
    """
    if password_stdin and key_stdin:
        raise click.UsageError("--password-stdin and --key-stdin exclude each other")
    if _is_readable_on_the_way(url):
        click.echo(f"warning: what you send to {url} is not encrypted", err=True)
    try:
        if key_stdin:
            api_key = _tried(url, username, secret_from_stdin())
        else:
            password = password_of(username, from_stdin=password_stdin)
            api_key = _made(url, username, password, scopes, days)
    except ValueError as fault:
        raise click.UsageError(str(fault)) from fault
    _revoke_former()
    account = Account(url.rstrip("/"), username, accounts.key_id(api_key), is_own=not key_stdin)
    where = accounts.keep(account, api_key)
    document = {"url": account.url, "username": username, "key_id": account.key_id, "kept_in": where}
    tell(document, f"{username} is logged in to {account.url}; the API key lies in {where}", as_json=as_json)


def _is_readable_on_the_way(url: str) -> bool:
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        here = ip_address(host).is_loopback
    except ValueError:
        here = host == "localhost"
    return parts.scheme == "http" and not here


def _tried(url: str, username: str, api_key: str) -> str:
    with Client(url, api_key=api_key, timeout_s=PATIENCE_S) as client:
        client.get_api_key(accounts.key_id(api_key) or "-")  # whatever its scopes, a key may show itself
        try:
            client.get_user(username)
        except InsufficientScopeError:
            click.echo(f"the key may not read, so that nobody knows whether it is of {username}", err=True)
    return api_key


def _made(url: str, username: str, password: str, scopes: tuple[Scope, ...], days: int) -> str:
    with Client(url, username=username, password=password, timeout_s=PATIENCE_S) as client:
        description = f"imghost on {platform.node() or 'some machine'}"
        return client.create_api_key(
            description, scopes=scopes, expires_at=datetime.now(UTC) + timedelta(days=days)
        ).key


def _use(user: User) -> list[str]:
    """Return what a user has, and may have, where it is known."""
    lines = []
    for name in ("images", "bytes", "collections", "api_keys"):
        used, limit = getattr(user.use, name), getattr(user.limits, name)
        if used is not None:
            lines.append(f"{name.replace('_', ' ')}: {used:,}" + (f" of {limit:,}" if limit is not None else ""))
    return lines


def _revoke_former() -> None:
    """Revoke the key that was made for this machine before; if that fails, it is good until it expires."""
    with suppress(ImghostError):
        _revoke(*accounts.kept())


def _revoke(account: Account, api_key: str) -> None:
    if account.is_own:
        with Client(account.url, api_key=api_key, timeout_s=PATIENCE_S) as client:
            client.delete_api_key(account.key_id)


@click.command()
@json_option
def logout(*, as_json: bool) -> None:
    """Revoke the API key that was made for this machine, and forget it; one that you had is forgotten only."""
    account, api_key = accounts.kept()
    try:
        _revoke(account, api_key)
    except CredentialsError:
        click.echo("the API key was not accepted any more", err=True)
    accounts.forget()
    tell({"url": account.url, "username": account.username}, f"{account.username} is logged out", as_json=as_json)


@click.command()
@json_option
def whoami(*, as_json: bool) -> None:
    """Show who is logged in where, and what they have and may have."""
    account, _ = accounts.credentials()
    with connect() as client:
        key = client.get_api_key(account.key_id)
        user = client.get_user(account.username) if account.username else None
    document = {"url": account.url, "user": user, "api_key": key}
    expires = f"until {key.expires_at:%Y-%m-%d}" if key.expires_at else "without an end"
    lines = [
        f"{account.username or 'somebody'} at {account.url}",
        f"API key {key.id} for {' '.join(key.scopes)}, {expires}",
    ]
    lines += _use(user) if user else []
    tell(document, *lines, as_json=as_json)
