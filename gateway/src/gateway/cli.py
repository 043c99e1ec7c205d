"""The command of the gateway."""

import click
from flask import Flask

from chassis import commands
from chassis.commands import Commands
from chassis.settings import load
from chassis.web import server
from gateway import api_keys
from gateway.settings import GatewaySettings

LONGEST_REQUEST_LINE = 8190  # a key of 1,000 bytes, each percent-encoded, twice over
LONGEST_HEADER = 8190


@click.group(cls=Commands)
def main() -> None:
    """Run the public door of imghost."""


@main.command()
def serve() -> None:
    """Serve the public and the private API."""
    settings = load(GatewaySettings)
    commands.start("gateway", settings, secrets=[api_keys.SECRET])

    def make() -> Flask:
        # In the worker process, after its sockets were made cooperative: what is imported before would block it.
        from gateway.web.app import make_flask  # noqa: PLC0415

        return make_flask(settings)

    server.serve(
        make,
        settings,
        worker_class="gateway.web.door.DoorWorker",
        worker_connections=settings.connections,
        limit_request_line=LONGEST_REQUEST_LINE,
        limit_request_field_size=LONGEST_HEADER,
    )
