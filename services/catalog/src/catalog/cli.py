"""The commands of catalog."""

import click

from catalog.bootstrap import make_database
from catalog.errors import CatalogError
from catalog.settings import MigrateSettings, ServeSettings, WorkerSettings
from catalog.upkeep import dead_letters_command, installation_command, status_command
from catalog.upkeep.check_storage_command import check_storage
from catalog.upkeep.importing_command import import_bucket
from catalog.upkeep.reconciliation_command import reconcile
from catalog.upkeep.reprocessing_command import reprocess
from catalog.upkeep.sweeping_command import sweep_uploads
from catalog.upkeep.takedown_command import take_down
from chassis import commands, token_keys, worker
from chassis.commands import Commands, json_option
from chassis.settings import load, variable
from chassis.web import server


@click.group(cls=Commands, package="imghost-catalog", refusals=(CatalogError,))
def main() -> None:
    """Images and collections of imghost."""


@main.command()
@json_option
def serve(*, as_json: bool) -> None:
    """Serve the HTTP interface to the gateway."""
    settings = load(ServeSettings)
    commands.start("catalog", settings, as_json=as_json)
    token_keys.require_public_file(settings.token_public_key_file, variable(ServeSettings, "token_public_key_file"))
    make_database(settings).try_connection()
    server.serve("catalog.web.app:from_settings", settings, threads=settings.web_threads)


@main.command("worker")
@json_option
def run_worker(*, as_json: bool) -> None:
    """Relay jobs to imaging, and apply what it answers."""
    settings = load(WorkerSettings)
    commands.start("catalog-worker", settings, as_json=as_json)
    worker.run("catalog.worker:make_worker", settings)


@main.command()
@json_option
def migrate(*, as_json: bool) -> None:
    """Bring the database to this release's schema."""
    settings = load(MigrateSettings)
    commands.start_migration("catalog-migrate", settings)
    database = make_database(settings.direct())
    click.get_current_context().call_on_close(database.engine.dispose)
    commands.tell_migration(database.migrate(), as_json=as_json)


main.add_command(dead_letters_command.group)
main.add_command(installation_command.group)
main.add_command(check_storage)
main.add_command(import_bucket)
main.add_command(reprocess)
main.add_command(reconcile)
main.add_command(sweep_uploads)
main.add_command(take_down)
main.add_command(status_command.show)
