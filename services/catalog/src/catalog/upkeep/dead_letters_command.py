"""`catalog dead-letters`: list, show, replay and drop messages that were given up."""

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import click

from catalog.adapters.operators_store import OperatorsStore
from catalog.adapters.store import Store
from catalog.domain import DeadLetterSummary
from catalog.errors import CatalogError
from catalog.settings import DatabaseSettings
from catalog.upkeep import dead_letters
from catalog.upkeep.connection import connect
from chassis.database.database import Database
from chassis.settings import load

PAGE = 500


@click.group("dead-letters")
def group() -> None:
    """Messages that were given up: list, show, replay or drop them."""


@group.command("list")
@click.option("--queue", help="Only of this queue.")
@click.option("--reason", help="Only of this reason.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1), help="Show this many, oldest first.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def list_letters(*, queue: str | None, reason: str | None, limit: int, as_json: bool) -> None:
    """List dead letters, with counts by queue and reason."""
    database = connect(load(DatabaseSettings))
    counts = database.read(Store.count_dead_letters, queue, reason)
    letters = database.read(OperatorsStore.dead_letters, queue, reason, limit)
    if as_json:
        by_reason = [{"queue": queue, "reason": reason, "count": count} for queue, reason, count in counts]
        click.echo(json.dumps({"counts": by_reason, "dead_letters": [_summary(each) for each in letters]}, indent=2))
        return
    for counted, why, count in counts:
        click.echo(f"{count:>8}  {counted}  {why}")
    if letters:
        click.echo(f"\n{'ID':>8}  {'SINCE':<20}  {'QUEUE':<16}  {'REASON':<22}  {'TYPE':<18}  KEY")
    for each in letters:
        since = f"{each.date_created:%Y-%m-%d %H:%M:%SZ}"
        click.echo(
            f"{each.dead_letter_id:>8}  {since}  {each.queue:<16}  {each.reason:<22}  {each.type:<18}  {each.s3_key}"
        )
    if not counts:
        click.echo("no dead letters", err=True)


@group.command()
@click.argument("dead_letter_id", metavar="ID", type=int)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def show(dead_letter_id: int, *, as_json: bool) -> None:
    """Show a dead letter with its body."""
    letter = connect(load(DatabaseSettings)).read(OperatorsStore.dead_letter, dead_letter_id)
    document = _summary(letter) | {"body": _readable(letter.body)}
    if as_json:
        click.echo(json.dumps(document, indent=2))
        return
    for name, value in document.items():
        shown = value if isinstance(value, str) else json.dumps(value, indent=2)
        click.echo(f"{name:<14} {shown}")


@group.command()
@click.argument("dead_letter_ids", metavar="[ID]...", type=int, nargs=-1)
@click.option("--all", "every", is_flag=True, help="All letters, or all of --queue and --reason.")
@click.option("--queue", help="With --all: only of this queue.")
@click.option("--reason", help="With --all: only of this reason.")
def replay(dead_letter_ids: tuple[int, ...], *, every: bool, queue: str | None, reason: str | None) -> None:
    """Do what dead letters were about: process images again, delete thumbs. Replayed letters are removed.

    The status is 1 if some could not be replayed.
    """
    database = connect(load(DatabaseSettings))
    chosen = _chosen(database, dead_letter_ids, queue, reason, every=every)
    _each("replayed", database, chosen, dead_letters.replay)


@group.command()
@click.argument("dead_letter_ids", metavar="[ID]...", type=int, nargs=-1)
@click.option("--all", "every", is_flag=True, help="All letters, or all of --queue and --reason.")
@click.option("--queue", help="With --all: only of this queue.")
@click.option("--reason", help="With --all: only of this reason.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def drop(dead_letter_ids: tuple[int, ...], *, every: bool, queue: str | None, reason: str | None, yes: bool) -> None:
    """Remove dead letters. Their images stay failed until they are reprocessed.

    The status is 1 if some were not there.
    """
    database = connect(load(DatabaseSettings))
    chosen = _chosen(database, dead_letter_ids, queue, reason, every=every)
    if chosen and not yes:
        click.confirm(f"Drop {len(chosen)} dead letters?", abort=True)
    _each("dropped", database, chosen, dead_letters.drop)


def _each(
    done: str, database: Database[OperatorsStore], chosen: Iterable[int], act: Callable[[OperatorsStore, int], None]
) -> None:
    """Call `act` with each of `chosen` in a transaction of its own, print the count, exit with 1 if some failed."""
    count, refused = 0, 0
    for number in chosen:
        try:
            database.transact(act, number)
        except CatalogError as fault:
            click.echo(f"{number}: {fault}", err=True)
            refused += 1
        else:
            count += 1
    click.echo(f"{done} {count}" + (f", {refused} could not be" if refused else ""))
    if refused:
        click.get_current_context().exit(1)


def _chosen(
    database: Database[OperatorsStore],
    ids: tuple[int, ...],
    queue: str | None,
    reason: str | None,
    *,
    every: bool,
) -> list[int]:
    """Return the numbers that were given, or those of all letters of a queue and reason as of now."""
    if bool(ids) == every or (ids and (queue or reason)):
        raise click.UsageError("Give either IDs, or --all, which --queue and --reason may narrow.")
    chosen = list(ids)
    after = 0
    while every and (page := database.read(OperatorsStore.dead_letters, queue, reason, PAGE, after)):
        after = page[-1].dead_letter_id
        chosen += [each.dead_letter_id for each in page]
    return chosen


def _summary(letter: DeadLetterSummary) -> dict[str, Any]:
    return {
        "id": letter.dead_letter_id,
        "date_created": letter.date_created.isoformat(),
        "queue": letter.queue,
        "reason": letter.reason,
        "type": letter.type,
        "s3_key": letter.s3_key,
        "message_id": letter.message_id,
    }


def _readable(body: bytes) -> Any:
    """Return `body` as a JSON document, else as text with control characters escaped, which terminals would obey."""
    with suppress(ValueError, RecursionError):
        document = json.loads(body)
        if not isinstance(document, str):
            json.dumps({"body": document}, indent=2)  # it may be nested too deeply for writing
            return document
    return body.decode("ascii", errors="backslashreplace").encode("unicode_escape").decode("ascii")
