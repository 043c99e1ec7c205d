"""What a run that is ready shows: the sample, the ways in, and where everything is."""

import json
from typing import Any

from embedded.sample import public_path
from embedded.services import Account
from embedded.terminal import say


def show_image(image: dict[str, Any]) -> None:
    """Show an image's public form as the API answers it."""
    say()
    say(json.dumps(image, indent=2, ensure_ascii=False))


def ways_in(gateway_url: str, account: Account, key: str | None) -> list[str]:
    """Return the lines that say how to use the run; each curl line works as pasted."""
    credentials = f"{account.username}:{account.password}"
    lines = [
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


def show_ways_in(gateway_url: str, account: Account, key: str | None) -> None:
    """Show how to use the run."""
    for line in ways_in(gateway_url, account, key):
        say(line)
