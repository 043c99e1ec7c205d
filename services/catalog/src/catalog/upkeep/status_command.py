"""`catalog status`: what is up, what waits, how much was done lately, and what failed, for people at a terminal."""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from catalog.settings import StatusSettings
from catalog.upkeep import status
from catalog.upkeep.connection import connect
from catalog.upkeep.status import MINUTES, Part, Status
from chassis.broker.depths import Depths
from chassis.commands import json_option
from chassis.settings import load

EVERY_S = 2.0
_CLEAR = "\x1b[H\x1b[2J\x1b[3J"
_LONGEST_KEY = 48
_DONE = {
    "image.created": "registered",
    "image.reprocess": "processed again",
    "image.deleted": "deleted",
    "ready": "became ready",
    "failed": "failed",
}


@click.command("status")
@click.option("--watch", is_flag=True, help="Look again every two seconds, until Ctrl-C.")
@json_option
def show(*, watch: bool, as_json: bool) -> None:
    """Show what is up, what waits, how much was done in the last minutes, and what failed.

    The database and RabbitMQ are asked, and the processes whose addresses CATALOG_STATUS_URLS tells. The exit status
    is 1 if any of them is down or tells of a problem. With --json and --watch, each line is a document.
    """
    settings = load(StatusSettings)
    database, depths = connect(settings), Depths(settings.broker_url.get_secret_value())
    click.get_current_context().call_on_close(depths.close)
    before: Status | None = None
    while True:
        found = status.look(database, depths, settings.status_urls)
        if as_json:
            click.echo(json.dumps(document(found), default=str, indent=None if watch else 2))
        else:
            click.echo((_CLEAR if watch and sys.stdout.isatty() else "") + "\n".join(lines(found, before)))
        if not watch:
            sys.exit(0 if found.is_well else 1)
        before = found
        time.sleep(EVERY_S)


def document(found: Status) -> dict[str, Any]:
    """Return a status as JSON shows it."""
    done = {
        name: {f"{m}m": count for m, count in zip(MINUTES, counts, strict=True)} for name, counts in found.done.items()
    }
    return {"well": found.is_well, **asdict(found), "done": done}


def lines(found: Status, before: Status | None = None) -> Iterator[str]:
    """Yield the lines that show a status; `before` is that of an earlier look, for rates of requests."""
    yield f"imghost at {found.date:%Y-%m-%d %H:%M:%S}Z: {'all is well' if found.is_well else 'NOT WELL'}"
    yield ""
    for name, part in found.parts.items():
        yield _part(name, part, before.parts.get(name) if before else None, _seconds(found, before))
    if found.work is not None:
        work = found.work
        yield from ("", f"{'WAITS':<32}{'NUMBER':>8}{'OLDEST':>10}")
        yield _waits("events for RabbitMQ (outbox)", work.outbox, _age(found, work.outbox_since))
        yield _waits("images that are pending", work.pending, _age(found, work.pending_since))
        yield _waits("jobs that imaging has", work.sent, _age(found, work.sent_since))
        yield _waits("jobs behind others of their key", work.waiting, "")
        yield _waits("dead letters", sum(work.dead_letters.values()), _age(found, work.dead_since))
        for reason, count in work.dead_letters.items():
            yield f"  {reason:<30}{count:>8}"
    if found.queues:
        yield from ("", f"{'QUEUE':<20}{'READY':>8}{'RETRYING':>10}{'DEAD':>8}{'CONSUMERS':>11}")
    for name, depth in found.queues.items():
        yield f"{name:<20}{depth.ready:>8}{depth.retrying:>10}{depth.dead:>8}{depth.consumers:>11}"
    if found.done:
        yield from ("", f"{'IN THE LAST':<20}" + "".join(f"{f'{each} min':>10}" for each in MINUTES))
    for name, counts in found.done.items():
        yield f"{_DONE[name]:<20}" + "".join(f"{count:>10}" for count in counts)
    if found.failures:
        yield from ("", f"{'FAILED IN THE LAST DAY':<28}{'NUMBER':>8}{'LAST':>10}  KEY")
    for each in found.failures:
        key = "".join(letter if letter.isprintable() else "?" for letter in each.last_key)
        shown = key if len(key) <= _LONGEST_KEY else f"{key[: _LONGEST_KEY - 1]}…"
        yield f"{each.code:<28}{each.count:>8}{_age(found, each.last):>10}  {shown}"


def _part(name: str, part: Part, before: Part | None, seconds: float) -> str:
    told = [part.version, f"{part.ms:.0f} ms"]
    if before and seconds and None not in {part.requests, before.requests}:
        rate = ((part.requests or 0) - (before.requests or 0)) / seconds
        failed = ((part.server_errors or 0) - (before.server_errors or 0)) / seconds
        told.append(f"{max(rate, 0):.1f} requests/s" + (f", {failed:.1f} of them 5xx" if failed > 0 else ""))
    state = "up" if part.is_up else "DOWN"
    return f"{state:<6}{name:<18}{', '.join(filter(None, told))}" + (f"  {part.problem}" if part.problem else "")


def _waits(name: str, count: int, age: str) -> str:
    return f"{name:<32}{count:>8}{age:>10}"


def _age(found: Status, since: datetime | None) -> str:
    if since is None:
        return ""
    seconds = max(0, int((found.date - since).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _seconds(found: Status, before: Status | None) -> float:
    return (found.date - before.date).total_seconds() if before else 0.0
