"""Show how to use a run that is ready, and the sample picture."""

import json
from typing import Any, TextIO

from embedded.parts.services import Account
from embedded.processes.terminal import say
from embedded.sample.upload import public_path


def show_image(image: dict[str, Any]) -> None:
    """Show an image as the public API returns it."""
    say()
    say(json.dumps(image, indent=2, ensure_ascii=False))


def ways_in(gateway_url: str, account: Account, key: str | None) -> list[str]:
    """Return the lines that say how to use the run. The curl lines can be pasted into a shell."""
    credentials = f"{account.username}:{account.password}"
    lines = [
        f"  console    {gateway_url}/",
        f"  user       {account.username}",
        f"  password   {account.password}",
        f"  API docs   {gateway_url}/api/docs",
        "",
        "Your images, and the sample as everybody sees it:" if key else "Your images, and the API's description:",
        "",
        f"  curl -u {credentials} {gateway_url}/api/images",
        f"  curl {gateway_url}{public_path(key) if key else '/api/openapi.json'}",
    ]
    return ["", *lines, ""]


def write_json(stream: TextIO, gateway_url: str, account: Account, key: str | None) -> None:
    """Write how to use the run as one JSON document, for programs."""
    document = {
        "url": gateway_url,
        "username": account.username,
        "password": account.password,
        "sample": f"{gateway_url}{public_path(key)}" if key else None,
    }
    say(json.dumps(document, indent=2), stream)


def show_ways_in(gateway_url: str, account: Account, key: str | None) -> None:
    """Show how to use the run."""
    for line in ways_in(gateway_url, account, key):
        say(line)
