"""The command of the gateway."""

import click

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
    """Run the gateway, the only public service of imghost."""


@main.command()
def serve() -> None:
    """Serve the public and the private API."""
    settings = load(GatewaySettings)
    commands.start("gateway", settings, secrets=[api_keys.SECRET])
    server.serve(
        "gateway.web.app:make_flask",
        settings,
        worker_class="gateway.web.door.DoorWorker",
        worker_connections=settings.connections,
        limit_request_line=LONGEST_REQUEST_LINE,
        limit_request_field_size=LONGEST_HEADER,
    )
