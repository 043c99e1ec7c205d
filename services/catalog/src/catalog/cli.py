"""The commands of catalog."""

import sys
from pathlib import Path

import click
from flask import Flask

from catalog.bootstrap import make_app, make_database
from catalog.domain import CatalogError
from catalog.operating import dead_letters, installation
from catalog.operating.check_storage import check_storage
from catalog.operating.reconcile import reconcile
from catalog.operating.reprocess import reprocess
from catalog.settings import MigrateSettings, ServeSettings, WorkerSettings
from catalog.worker import make_worker
from chassis import commands, logs, tokens, worker
from chassis.commands import Commands
from chassis.settings import load
from chassis.web import server


@click.group(cls=Commands, refusals=(CatalogError,))
def main() -> None:
    """Images and collections of imghost."""


@main.command()
def serve() -> None:
    """Serve the HTTP interface to the gateway."""
    settings = load(ServeSettings)
    commands.start("catalog", settings)
    _require_key(settings.token_public_key_file)
    make_database(settings).look()

    def make() -> Flask:
        from catalog.web.app import make_flask  # noqa: PLC0415 - in the worker process, not in its supervisor

        return make_flask(make_app(settings))

    server.serve(make, settings, threads=settings.web_threads)


@main.command("worker")
def run_worker() -> None:
    """Relay jobs to imaging, and apply what it answers."""
    settings = load(WorkerSettings)
    commands.start("catalog-worker", settings)
    worker.run(make_worker(settings), settings)


@main.command()
def migrate() -> None:
    """Bring the database to this release's schema."""
    settings = load(MigrateSettings)
    logs.configure("catalog", settings.log_level, settings.log_format)
    database = make_database(settings.direct())
    click.get_current_context().call_on_close(database.engine.dispose)
    commands.tell_of_migration(database.migrate())


main.add_command(dead_letters.group)
main.add_command(installation.group)
main.add_command(check_storage)
main.add_command(reprocess)
main.add_command(reconcile)


def _require_key(file: Path) -> None:
    """End the process with one sentence unless FILE has a public key."""
    try:
        tokens.require_public_key(file.read_text())
    except OSError as fault:
        said = fault.strerror
    except (ValueError, TypeError):
        said = "this is no public key in PEM"
    else:
        return
    sys.exit(f"no key at CATALOG_TOKEN_PUBLIC_KEY_FILE={file}: {said}; see auth create-token-key")
