"""The commands of auth: its processes, the migration, and the operator's work on users."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from auth import domain, first_user, keys, token_key_rotation, use_cases
from auth.adapters.store import Store
from auth.bootstrap import make_database
from auth.errors import ApiKeyNotFoundError, AuthError, UserNotFoundError
from auth.keys import KeyName
from auth.passwords import hash_password
from auth.settings import DatabaseSettings, MigrateSettings, ServeSettings, WorkerSettings
from auth.web import schemas
from auth.worker import make_worker
from chassis import commands, logs, token_keys, tokens, worker
from chassis.commands import Commands
from chassis.database.database import Database
from chassis.settings import load, variable
from chassis.web import server


@click.group(cls=Commands, package="imghost-auth", refusals=(AuthError,))
def main() -> None:
    """Users, passwords and API keys of imghost."""


@main.command()
def serve() -> None:
    """Serve HTTP to the gateway."""
    settings = load(ServeSettings)
    commands.start("auth", settings)
    token_keys.require_private_file(settings.token_private_key_file, variable(ServeSettings, "token_private_key_file"))
    make_database(settings).try_connection()
    server.serve("auth.web.app:from_settings", settings, threads=settings.web_threads)


@main.command("worker")
def run_worker() -> None:
    """Relay events from the outbox to RabbitMQ, until SIGTERM or SIGINT; delete old login failures."""
    settings = load(WorkerSettings)
    commands.start("auth", settings)
    worker.run(make_worker(settings), settings)


@main.command()
def migrate() -> None:
    """Bring the database to this release's schema. If there is no user at all, make the one that the settings name."""
    settings = load(MigrateSettings)
    logs.configure("auth", settings.log_level, settings.log_format)
    database = _database(settings.direct())
    commands.report_migration(database.migrate())
    password = settings.first_password.get_secret_value() if settings.first_password else None
    if said := first_user.make(database, settings.first_username, password):
        click.echo(said)


def _token_key_files(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` the options that name the files of the keys of tokens."""
    file = click.Path(path_type=Path, dir_okay=False)
    private = click.option("--private", type=file, required=True, help="File of the private key, for auth only.")
    public = click.option("--public", type=file, required=True, help="File of the public key, for the other services.")
    return private(public(command))


@contextmanager
def _key_files(private: Path) -> Iterator[None]:
    """Print a file of keys that cannot be read or written in the body as one line."""
    try:
        yield
    except OSError as fault:
        raise click.ClickException(f"{fault.filename}: {fault.strerror}") from fault
    except (ValueError, TypeError) as fault:  # its text may show the text of the key
        raise click.ClickException(f"{private} is there, and is no private key in PEM without a passphrase") from fault


@main.command("create-token-key")
@_token_key_files
def create_token_key(private: Path, public: Path) -> None:
    """Make the key pair that signs and verifies tokens between the services. Keep files that exist."""
    with _key_files(private):
        token_keys.create_files(private, public)


@main.command("rotate-signing-key")
@_token_key_files
@click.option(
    "--spread",
    "spread_s",
    type=click.FloatRange(0),
    default=5,
    show_default=True,
    help="Seconds until the new key signs: until all services see the files as they are then.",
)
@click.option(
    "--keep",
    "keep_s",
    type=click.FloatRange(0),
    default=tokens.LIFETIME_S + tokens.LEEWAY_S,
    show_default=True,
    help="Seconds for which the former key is accepted after that; 0 if it has leaked.",
)
def rotate_signing_key(private: Path, public: Path, spread_s: float, keep_s: float) -> None:
    """Replace the key that signs tokens between the services by a new one, while they run."""
    with _key_files(private):
        new = token_key_rotation.rotate(private, public, spread_s, keep_s, partial(click.echo, err=True))
    click.echo(f"tokens are signed with the new key {new}, and former keys are accepted no longer")


@main.command("create-user")
@click.argument("username")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")
def create_user(username: str, *, password_stdin: bool) -> None:
    """Make a user."""
    domain.check_username(username)
    user = _database().transact(use_cases.create_user, username, _new_password_hash(from_stdin=password_stdin))
    click.echo(f"made user {user.username}, id {user.user_id}")


@main.command("set-password")
@click.argument("username")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")
@click.option("--revoke-api-keys", is_flag=True, help="Revoke all API keys of the user, too.")
def set_password(username: str, *, password_stdin: bool, revoke_api_keys: bool) -> None:
    """Replace a user's password. The old one is refused at once."""
    database = _database()
    database.read(use_cases.find_user, username)
    password_hash = _new_password_hash(from_stdin=password_stdin)
    database.transact(use_cases.set_password, username, password_hash, revoke_api_keys=revoke_api_keys)
    click.echo(f"the password of {username} is changed")
    if revoke_api_keys:
        click.echo("all API keys are revoked")


@main.command("list-users")
@click.option("--json", "as_json", is_flag=True, help="One JSON array instead of a table.")
def list_users(*, as_json: bool) -> None:
    """List all users by name."""
    users = _database().read(Store.users)
    if as_json:
        listed = [
            {"id": user.user_id, "username": user.username, "date_created": user.date_created.isoformat()}
            for user in users
        ]
        click.echo(json.dumps(listed, indent=2))
        return
    for user in users:
        click.echo(f"{user.user_id}  {user.date_created:%Y-%m-%d}  {user.username}")
    if not users:
        click.echo("no users; make one with: auth create-user NAME", err=True)


@main.command("delete-user")
@click.argument("username")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete_user(username: str, *, yes: bool) -> None:
    """Delete a user, their API keys and, through the other services, their images, thumbs and collections."""
    database = _database()
    database.read(use_cases.find_user, username)
    if not yes:
        click.confirm(f"Delete {username} with all images and collections? Originals in S3 stay.", abort=True)
    database.transact(use_cases.delete_user, username)
    click.echo(f"deleted {username}")


@main.group("keys")
def api_keys() -> None:
    """List and revoke the API keys of users."""


@api_keys.command("list")
@click.option("--user", "username", help="Only those of the user with this name.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array instead of a table.")
def list_keys(username: str | None, *, as_json: bool) -> None:
    """List API keys by user, the oldest first. Their secrets are not known here."""
    if username is not None and not domain.USERNAME.fullmatch(username):
        raise UserNotFoundError
    found = _database().read(use_cases.list_all_keys, username)
    if as_json:
        listed = [{"username": user.username, **schemas.present_key(key)} for user, key in found]
        click.echo(json.dumps(listed, indent=2))
        return
    for user, key in found:
        used = f"used {key.date_last_used:%Y-%m-%d}" if key.date_last_used else "never used"
        expires = f"expires {key.expires_at:%Y-%m-%d}" if key.expires_at else "does not expire"
        # The user has written it: a control character could write another row, or steer the terminal.
        description = "".join(each if each.isprintable() else "?" for each in key.description)
        words = (key.key_id, user.username, ",".join(key.scopes), used, expires, description)
        click.echo("  ".join(words).rstrip())
    if not found:
        click.echo("no API keys", err=True)


@api_keys.command("revoke")
@click.argument("key")
def revoke_key(key: str) -> None:
    """Revoke an API key, by its id or its whole text, and all that were made with it. It is refused at once."""
    whole = keys.parse_key(key.strip())
    name = KeyName(whole.key_id, whole.digest) if whole else KeyName(key.strip(), None)
    if not keys.KEY_ID.fullmatch(name.key_id):
        raise ApiKeyNotFoundError
    user = _database().transact(use_cases.revoke_key, name)
    click.echo(f"revoked {name.key_id} of {user.username}, and all that were made with it")


def _database(settings: DatabaseSettings | None = None) -> Database[Store]:
    """Return the database of `settings`, by default of those in the environment; it is closed when the command ends."""
    database = make_database(settings or load(DatabaseSettings))
    click.get_current_context().call_on_close(database.engine.dispose)
    return database


def _new_password_hash(*, from_stdin: bool) -> str:
    """Return the hash of a new password, typed twice or read from standard input."""
    if from_stdin:
        password = sys.stdin.read().removesuffix("\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    password = domain.prepare_password(password)
    domain.check_password(password)
    return hash_password(password)
