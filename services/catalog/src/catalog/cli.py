"""The commands of catalog."""

import sys
import threading
from datetime import timedelta
from functools import partial
from pathlib import Path

import click
from flask import Flask

from catalog.adapters.tables import outbox
from catalog.bootstrap import checks, make_app, make_database
from catalog.dead_letters import keep
from catalog.domain import CatalogError
from catalog.operating import dead_letters, installation
from catalog.operating.check_storage import check_storage
from catalog.operating.reconcile import reconcile
from catalog.operating.reprocess import reprocess
from catalog.settings import MigrateSettings, ServeSettings, WorkerSettings
from catalog.watchdog import Watchdog
from catalog.worker import JOBS, QUEUE, handle, may_relay
from chassis import commands, logs, ops, tokens, worker
from chassis.broker.consumer import Consumer
from chassis.broker.depths import Depths
from chassis.broker.drain import Drain
from chassis.broker.publisher import Publisher
from chassis.broker.relay import TIDY_EVERY_S, Relay
from chassis.commands import Commands
from chassis.settings import load
from chassis.web import server

WATCH_EVERY_S = 15.0


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
    database = make_database(settings)
    broker_url = settings.broker_url.get_secret_value()
    stop = threading.Event()
    relaying, retrying = Publisher(broker_url, "catalog relay"), Publisher(broker_url, "catalog retries")
    relay = Relay(database.engine, outbox, relaying, stop, may_relay)
    consumer = Consumer(
        broker_url, QUEUE, partial(handle, database), retrying, threads=settings.worker_threads, stop=stop
    )
    drain = Drain(broker_url, (JOBS, QUEUE), lambda letter: database.transact(keep, letter), stop)
    depths = Depths(broker_url)
    watchdog = Watchdog(database, depths, JOBS, QUEUE, timedelta(seconds=settings.stuck_after_s))
    own, shared = checks(database)
    ops.serve(settings.ops_host, settings.ops_port, own, {**shared, "broker": consumer.connected.is_set})
    database.wait_for_schema(stop)
    loops = {
        "relay": relay.run,
        "outbox": worker.every(TIDY_EVERY_S, relay.tidy, stop),
        "results": consumer.run,
        "dead letters": drain.run,
        "watchdog": worker.every(WATCH_EVERY_S, watchdog.look, stop),
    }
    worker.run(loops, stop)
    for each in (relaying, retrying, depths):
        each.close()


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
