"""The commands of auth: serving, relaying, migrating, and what an operator does about users."""

import json
import sys
import threading
from pathlib import Path

import click
from flask import Flask

from auth import domain, use_cases
from auth.adapters.store import Store
from auth.adapters.tables import outbox
from auth.bootstrap import make_app, make_database
from auth.domain import AuthError
from auth.passwords import hash_password
from auth.settings import DatabaseSettings, MigrateSettings, ServeSettings, WorkerSettings
from chassis import commands, logs, ops, server, tokens, worker
from chassis.commands import Commands
from chassis.database import Database
from chassis.publisher import Publisher
from chassis.relay import TIDY_EVERY_S, Relay
from chassis.settings import load

SWEEP_EVERY_S = 60.0


@click.group(cls=Commands, refusals=(AuthError,))
def main() -> None:
    """Users, passwords and API keys of imghost."""


@main.command()
def serve() -> None:
    """Serve the HTTP interface to the gateway."""
    settings = load(ServeSettings)
    commands.start("auth", settings)
    if not settings.token_private_key_file.is_file():
        sys.exit(f"no key at AUTH_TOKEN_PRIVATE_KEY_FILE={settings.token_private_key_file}; see auth create-token-key")

    def make() -> Flask:
        from auth.web.app import make_flask  # noqa: PLC0415 - in the worker process, not in the one that supervises it

        return make_flask(make_app(settings))

    server.serve(make, settings, threads=settings.web_threads)


@main.command("worker")
def run_worker() -> None:
    """Relay what happened to users to the message broker."""
    settings = load(WorkerSettings)
    commands.start("auth", settings)
    database = make_database(settings)
    stop = threading.Event()
    publisher = Publisher(settings.broker_url.get_secret_value(), "auth relay")
    relay = Relay(database.engine, outbox, publisher, stop)
    ops.serve(settings.ops_host, settings.ops_port, *database.checks())
    database.wait_for_schema(stop)
    loops = {
        "relay": relay.run,
        "outbox": worker.every(TIDY_EVERY_S, relay.tidy, stop),
        "failures": worker.every(SWEEP_EVERY_S, lambda: database.transact(Store.sweep_failures), stop),
    }
    worker.run(loops, stop)
    publisher.close()


@main.command()
def migrate() -> None:
    """Bring the database to this release's schema; make the first user of the settings if there is none at all."""
    settings = load(MigrateSettings)
    logs.configure("auth", settings.log_level, settings.log_format)
    database = _database(settings)
    database.migrate()
    if settings.first_username and settings.first_password:
        password = settings.first_password.get_secret_value()
        domain.check_password(password)
        user = database.transact(use_cases.create_first_user, settings.first_username, hash_password(password))
        if user:
            click.echo(f"made the first user {user.username}, id {user.user_id}")


@main.command("create-token-key")
@click.option("--private", type=click.Path(path_type=Path, dir_okay=False), required=True, help="For auth only.")
@click.option("--public", type=click.Path(path_type=Path, dir_okay=False), required=True, help="For the others.")
def create_token_key(private: Path, public: Path) -> None:
    """Make the key pair for tokens between the services; files that exist are kept."""
    tokens.create_key_files(private, public)


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
def set_password(username: str, *, password_stdin: bool) -> None:
    """Replace a user's password; the old one is refused at once."""
    database = _database()
    database.read(use_cases.find_user, username)
    database.transact(use_cases.set_password, username, _new_password_hash(from_stdin=password_stdin))
    click.echo(f"the password of {username} is changed")


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


def _database(settings: DatabaseSettings | None = None) -> Database[Store]:
    """Connect to the database of SETTINGS, or of those in the environment, until the command ends."""
    database = make_database(settings or load(DatabaseSettings))
    click.get_current_context().call_on_close(database.engine.dispose)
    return database


def _new_password_hash(*, from_stdin: bool) -> str:
    """Get a new password, typed twice or from standard input, and hash it."""
    if from_stdin:
        password = sys.stdin.read().removesuffix("\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    domain.check_password(password)
    return hash_password(password)
