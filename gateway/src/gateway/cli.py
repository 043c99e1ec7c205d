"""The command of the gateway."""

import click

from chassis import commands
from chassis.commands import Commands, json_option
from chassis.settings import load
from chassis.web import server
from gateway import api_keys
from gateway.door.client import Patience
from gateway.door.header_limits import LONGEST_FIELD
from gateway.door.worker import worker_class
from gateway.settings import GatewaySettings

LONGEST_REQUEST_LINE = 8190  # a key of 1,000 bytes, each percent-encoded, twice over


@click.group(cls=Commands, package="imghost-gateway")
def main() -> None:
    """Run the gateway, the only public service of imghost."""


@main.command()
@json_option
def serve(*, as_json: bool) -> None:
    """Serve the public and the private API."""
    settings = load(GatewaySettings)
    commands.start("gateway", settings, secrets=[api_keys.SECRET], as_json=as_json)
    server.serve(
        "gateway.web.app:make_flask",
        settings,
        shares_modules=False,  # the sockets of each web process are made cooperative before anything imports them
        worker_class=worker_class(
            Patience(settings.head_timeout_s, settings.idle_timeout_s, settings.write_timeout_s),
            # All connections through a proxy come from its address.
            settings.connections if settings.trusted_proxies else settings.connections_per_source,
        ),
        worker_connections=settings.connections,
        limit_request_line=LONGEST_REQUEST_LINE,
        limit_request_field_size=LONGEST_FIELD,
        sendfile=False,
    )
