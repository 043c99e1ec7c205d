"""The commands of auth: its processes, the migration, and the operator's work on users."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Any

import click

from auth import domain, first_user, keys, operators, token_key_rotation, use_cases
from auth.adapters.key_secrets import KeySecrets
from auth.adapters.store import Store
from auth.bootstrap import make_database
from auth.domain import User
from auth.errors import ApiKeyNotFoundError, AuthError
from auth.keys import KeyName
from auth.passwords import hash_password
from auth.settings import DatabaseSettings, MigrateSettings, ServeSettings, WorkerSettings
from auth.web import schemas
from chassis import commands, token_keys, tokens, worker
from chassis.commands import Commands, json_option, tell
from chassis.database.database import Database
from chassis.settings import load, variable
from chassis.token_keys import KeyFiles, KeyPair
from chassis.web import server

# How the keys of tokens are named that are in a Secret of Kubernetes.
_SCHEME = "secret:"


@click.group(cls=Commands, package="imghost-auth", refusals=(AuthError,))
def main() -> None:
    """Users, passwords and API keys of imghost."""


@main.command()
@json_option
def serve(*, as_json: bool) -> None:
    """Serve HTTP to the gateway."""
    settings = load(ServeSettings)
    commands.start("auth", settings, as_json=as_json)
    token_keys.require_private_file(settings.token_private_key_file, variable(ServeSettings, "token_private_key_file"))
    make_database(settings).try_connection()
    server.serve("auth.web.app:from_settings", settings, threads=settings.web_threads)


@main.command("worker")
@json_option
def run_worker(*, as_json: bool) -> None:
    """Relay events from the outbox to RabbitMQ, until SIGTERM or SIGINT; delete old login failures."""
    settings = load(WorkerSettings)
    commands.start("auth-worker", settings, as_json=as_json)
    worker.run("auth.worker:make_worker", settings)


@main.command()
@json_option
def migrate(*, as_json: bool) -> None:
    """Bring the database to this release's schema. If there is no user at all, make the one that the settings name."""
    settings = load(MigrateSettings)
    commands.start_migration("auth-migrate", settings)
    database = _database(settings.direct())
    later = database.migrate()
    password = settings.first_password.get_secret_value() if settings.first_password else None
    said = first_user.make(database, settings.first_username, password)
    commands.tell_migration(later, *said, as_json=as_json)


def _token_keys(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` the options that name where the keys of tokens are, and the `KeyPair` there as its argument."""

    @wraps(command)
    def with_pair(private: str, public: str, kubernetes: str, service_account: Path, **words: Any) -> None:
        names = [each.removeprefix(_SCHEME) for each in (private, public) if each.startswith(_SCHEME)]
        match names:
            case []:
                command(KeyFiles(Path(private), Path(public)), **words)
            case [private_name, public_name]:
                command(KeySecrets(private_name, public_name, kubernetes, service_account), **words)
            case _:
                raise click.UsageError("the keys are two files or two Secrets")

    options = [
        click.option("--private", required=True, help="File of the private key, for auth only, or secret:NAME."),
        click.option("--public", required=True, help="That of the public key, for the other services, likewise."),
        click.option(
            "--kubernetes",
            default="https://kubernetes.default.svc",
            show_default=True,
            help="Where the Secrets NAME are, which have to be there, and may be empty.",
        ),
        click.option(
            "--service-account",
            type=click.Path(path_type=Path, file_okay=False),
            default="/var/run/secrets/kubernetes.io/serviceaccount",
            show_default=True,
            help="Folder with the token for them.",
        ),
    ]
    for option in reversed(options):
        with_pair = option(with_pair)
    return with_pair


@contextmanager
def _readable_keys(pair: KeyPair) -> Iterator[None]:
    """Print keys that cannot be read or written in the body as one line."""
    try:
        yield
    except OSError as fault:
        raise click.ClickException(f"{fault.filename}: {fault.strerror}") from fault
    except (ValueError, TypeError) as fault:  # its text may show the text of the key
        reason = f"{pair.private_name} is there, and is no private key in PEM without a passphrase"
        raise click.ClickException(reason) from fault


@main.command("create-token-key")
@_token_keys
@json_option
def create_token_key(pair: KeyPair, *, as_json: bool) -> None:
    """Make the key pair that signs and verifies tokens between the services. Keep keys that exist."""
    with _readable_keys(pair):
        if isinstance(pair, KeyFiles):
            pair.make_folders()
        token_keys.create(pair)
    tell({"private": pair.private_name, "public": pair.public_name}, as_json=as_json)


@main.command("rotate-signing-key")
@_token_keys
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
@json_option
def rotate_signing_key(pair: KeyPair, spread_s: float, keep_s: float, *, as_json: bool) -> None:
    """Replace the key that signs tokens between the services by a new one, while they run."""
    with _readable_keys(pair):
        new = token_key_rotation.rotate(pair, spread_s, keep_s, partial(click.echo, err=True))
    said = f"tokens are signed with the new key {new}, and former keys are accepted no longer"
    tell({"key_id": new}, said, as_json=as_json)


@main.command("create-user")
@click.argument("username")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")
@json_option
def create_user(username: str, *, password_stdin: bool, as_json: bool) -> None:
    """Make a user."""
    domain.check_username(username)
    password_hash = _new_password_hash(from_stdin=password_stdin)
    user = operators.transact(
        _database(), "user.create", lambda store: use_cases.create_user(store, username, password_hash), _target
    )
    tell(_shown(user), f"made user {user.username}, id {user.user_id}", as_json=as_json)


@main.command("set-password")
@click.argument("username")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")
@click.option("--revoke-api-keys", is_flag=True, help="Revoke all API keys of the user, too.")
@json_option
def set_password(username: str, *, password_stdin: bool, revoke_api_keys: bool, as_json: bool) -> None:
    """Replace a user's password. The old one is refused at once."""
    database = _database()
    database.read(use_cases.find_user, username)
    password_hash = _new_password_hash(from_stdin=password_stdin)
    user, _ = operators.transact(
        database,
        "password.change",
        lambda store: use_cases.set_password(store, username, password_hash, revoke_api_keys=revoke_api_keys),
        lambda done: {**_target(done[0]), "revoked_api_keys": done[1]},
    )
    said = [f"the password of {username} is changed", *["all API keys are revoked"] * revoke_api_keys]
    tell({**_shown(user), "api_keys_revoked": revoke_api_keys}, *said, as_json=as_json)


@main.command("list-users")
@json_option
def list_users(*, as_json: bool) -> None:
    """List all users by name."""
    users = _database().read(Store.users)
    lines = [
        f"{user.user_id}  {user.date_created:%Y-%m-%d}  {user.username}{'  disabled' if user.date_disabled else ''}"
        for user in users
    ]
    tell([_shown(user) for user in users], *lines, as_json=as_json)
    if not users and not as_json:
        click.echo("no users; make one with: auth create-user NAME", err=True)


@main.command("disable-user")
@click.argument("username")
@json_option
def disable_user(username: str, *, as_json: bool) -> None:
    """Have the password and all API keys of a user refused at once. All that is theirs stays, and stays public."""
    user = operators.transact(
        _database(), "user.disable", lambda store: use_cases.disable_user(store, username), _target
    )
    tell(_shown(user), f"{username} is disabled", as_json=as_json)


@main.command("enable-user")
@click.argument("username")
@json_option
def enable_user(username: str, *, as_json: bool) -> None:
    """Have the password and API keys of a disabled user accepted again."""
    user = operators.transact(_database(), "user.enable", lambda store: use_cases.enable_user(store, username), _target)
    tell(_shown(user), f"{username} is enabled", as_json=as_json)


@main.command("rename-user")
@click.argument("username")
@click.argument("new")
@json_option
def rename_user(username: str, new: str, *, as_json: bool) -> None:
    """Give a user the name NEW. Their id, and all that is theirs, stays; the old name is free at once."""
    user = operators.transact(
        _database(),
        "user.rename",
        lambda store: use_cases.rename_user(store, username, new),
        lambda renamed: {**_target(renamed), "was": username},
    )
    tell(_shown(user), f"{username} is now {user.username}", as_json=as_json)


@main.command("delete-user")
@click.argument("username")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def delete_user(username: str, *, yes: bool, as_json: bool) -> None:
    """Delete a user, their API keys and, through the other services, their images, thumbs and collections."""
    database = _database()
    database.read(use_cases.find_user, username)
    if not yes:
        click.confirm(f"Delete {username} with all images and collections? Originals in S3 stay.", abort=True, err=True)
    user, _ = operators.transact(
        database,
        "user.delete",
        lambda store: use_cases.delete_user(store, username),
        lambda done: {**_target(done[0]), "revoked_api_keys": done[1]},
    )
    tell(_shown(user), f"deleted {username}", as_json=as_json)


@main.group("keys")
def api_keys() -> None:
    """List and revoke the API keys of users."""


@api_keys.command("list")
@click.option("--user", "username", help="Only those of the user with this name.")
@json_option
def list_keys(username: str | None, *, as_json: bool) -> None:
    """List API keys by user, the oldest first. Their secrets are not known here."""
    found = _database().read(use_cases.list_all_keys, username)
    lines = []
    for user, key in found:
        used = f"used {key.date_last_used:%Y-%m-%d}" if key.date_last_used else "never used"
        expires = f"expires {key.expires_at:%Y-%m-%d}" if key.expires_at else "does not expire"
        # The user has written it: a control character could write another row, or steer the terminal.
        description = "".join(each if each.isprintable() else "?" for each in key.description)
        words = (key.key_id, user.username, ",".join(key.scopes), used, expires, description)
        lines.append("  ".join(words).rstrip())
    tell([{"username": user.username, **schemas.present_key(key)} for user, key in found], *lines, as_json=as_json)
    if not found and not as_json:
        click.echo("no API keys", err=True)


@api_keys.command("revoke")
@click.argument("key")
@json_option
def revoke_key(key: str, *, as_json: bool) -> None:
    """Revoke an API key, by its id or its whole text, and all that were made with it. It is refused at once."""
    whole = keys.parse_key(key.strip())
    name = KeyName(whole.key_id, whole.digest) if whole else KeyName(key.strip(), None)
    if not keys.KEY_ID.fullmatch(name.key_id):
        raise ApiKeyNotFoundError
    user, _ = operators.transact(
        _database(),
        "api-key.revoke",
        lambda store: use_cases.revoke_key(store, name),
        lambda done: {"api_key": name.key_id, **_target(done[0]), "descendants": done[1]},
    )
    said = f"revoked {name.key_id} of {user.username}, and all that were made with it"
    tell({"id": name.key_id, "username": user.username}, said, as_json=as_json)


def _target(user: User) -> dict[str, Any]:
    """Return how the audit log names `user`."""
    return {"user": user.user_id, "username": user.username}


def _shown(user: User) -> dict[str, Any]:
    """Return what operators see of `user`."""
    return {
        "id": user.user_id,
        "username": user.username,
        "date_created": user.date_created.isoformat(),
        "date_disabled": user.date_disabled.isoformat() if user.date_disabled else None,
    }


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
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    password = domain.prepare_password(password)
    domain.check_password(password)
    return hash_password(password)
