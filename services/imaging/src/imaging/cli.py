"""The commands of imaging."""

import threading
from functools import partial

import click

from chassis import commands, ops, worker
from chassis.commands import Commands
from chassis.consumer import Consumer
from chassis.publisher import Publisher
from chassis.settings import load
from imaging.bootstrap import make_imaging
from imaging.settings import ImagingSettings
from imaging.worker import QUEUE, handle


@click.group(cls=Commands)
def main() -> None:
    """Make thumbnails, palettes and placeholders."""


@main.command("worker")
def run_worker() -> None:
    """Take jobs from the message broker until told to stop."""
    settings = load(ImagingSettings)
    commands.start("imaging", settings)
    broker_url = settings.broker_url.get_secret_value()
    answering, retrying = Publisher(broker_url, "imaging answers"), Publisher(broker_url, "imaging retries")
    imaging, pool = make_imaging(settings, answering)
    pool.warm_up()
    stop = threading.Event()
    consumer = Consumer(broker_url, QUEUE, partial(handle, imaging), retrying, threads=settings.processes, stop=stop)
    shared = {"broker": consumer.connected.is_set, "s3": imaging.storage.answers}
    ops.serve(settings.ops_host, settings.ops_port, {"started": lambda: True}, shared)
    worker.run({"jobs": consumer.run}, stop)
    imaging.uploads.shutdown()
    pool.close()
    answering.close()
    retrying.close()
