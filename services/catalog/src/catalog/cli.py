"""The commands of catalog."""

import click

from catalog.bootstrap import make_database
from catalog.errors import CatalogError
from catalog.settings import MigrateSettings, ServeSettings, WorkerSettings
from catalog.upkeep import dead_letters_command, installation_command
from catalog.upkeep.check_storage_command import check_storage
from catalog.upkeep.reconciliation_command import reconcile
from catalog.upkeep.reprocessing_command import reprocess
from catalog.worker import make_worker
from chassis import commands, logs, token_keys, worker
from chassis.commands import Commands
from chassis.settings import load, variable
from chassis.web import server


@click.group(cls=Commands, package="imghost-catalog", refusals=(CatalogError,))
def main() -> None:
    """Images and collections of imghost."""


@main.command()
def serve() -> None:
    """Serve the HTTP interface to the gateway."""
    settings = load(ServeSettings)
    commands.start("catalog", settings)
    token_keys.require_public_file(settings.token_public_key_file, variable(ServeSettings, "token_public_key_file"))
    make_database(settings).try_connection()
    server.serve("catalog.web.app:from_settings", settings, threads=settings.web_threads)


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
    commands.report_migration(database.migrate())


main.add_command(dead_letters_command.group)
main.add_command(installation_command.group)
main.add_command(check_storage)
main.add_command(reprocess)
main.add_command(reconcile)
