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
from chassis.commands import json_option, tell
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
@json_option
def list_letters(*, queue: str | None, reason: str | None, limit: int, as_json: bool) -> None:
    """List dead letters, with counts by queue and reason."""
    database = connect(load(DatabaseSettings))
    counts = database.read(Store.count_dead_letters, queue, reason)
    letters = database.read(OperatorsStore.dead_letters, queue, reason, limit)
    lines = [f"{count:>8}  {counted}  {why}" for counted, why, count in counts]
    if letters:
        lines.append(f"\n{'ID':>8}  {'SINCE':<20}  {'QUEUE':<16}  {'REASON':<22}  {'TYPE':<18}  KEY")
    for each in letters:
        since = f"{each.date_created:%Y-%m-%d %H:%M:%SZ}"
        lines.append(
            f"{each.dead_letter_id:>8}  {since}  {each.queue:<16}  {each.reason:<22}  {each.type:<18}  {each.s3_key}"
        )
    by_reason = [{"queue": queue, "reason": reason, "count": count} for queue, reason, count in counts]
    tell({"counts": by_reason, "dead_letters": [_summary(each) for each in letters]}, *lines, as_json=as_json)
    if not counts and not as_json:
        click.echo("no dead letters", err=True)


@group.command()
@click.argument("dead_letter_id", metavar="ID", type=int)
@json_option
def show(dead_letter_id: int, *, as_json: bool) -> None:
    """Show a dead letter with its body."""
    letter = connect(load(DatabaseSettings)).read(OperatorsStore.dead_letter, dead_letter_id)
    document = _summary(letter) | {"body": _readable(letter.body)}
    lines = [
        f"{name:<14} {value if isinstance(value, str) else json.dumps(value, indent=2)}"
        for name, value in document.items()
    ]
    tell(document, *lines, as_json=as_json)


@group.command()
@click.argument("dead_letter_ids", metavar="[ID]...", type=int, nargs=-1)
@click.option("--all", "every", is_flag=True, help="All letters, or all of --queue and --reason.")
@click.option("--queue", help="With --all: only of this queue.")
@click.option("--reason", help="With --all: only of this reason.")
@json_option
def replay(
    dead_letter_ids: tuple[int, ...], *, every: bool, queue: str | None, reason: str | None, as_json: bool
) -> None:
    """Do what dead letters were about: process images again, delete thumbs. Replayed letters are removed.

    The status is 1 if some could not be replayed.
    """
    database = connect(load(DatabaseSettings))
    chosen = _chosen(database, dead_letter_ids, queue, reason, every=every)
    _each("replayed", database, chosen, dead_letters.replay, as_json=as_json)


@group.command()
@click.argument("dead_letter_ids", metavar="[ID]...", type=int, nargs=-1)
@click.option("--all", "every", is_flag=True, help="All letters, or all of --queue and --reason.")
@click.option("--queue", help="With --all: only of this queue.")
@click.option("--reason", help="With --all: only of this reason.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@json_option
def drop(  # noqa: PLR0913 - the options of one command
    dead_letter_ids: tuple[int, ...],
    *,
    every: bool,
    queue: str | None,
    reason: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Remove dead letters. Their images stay failed until they are reprocessed.

    The status is 1 if some were not there.
    """
    database = connect(load(DatabaseSettings))
    chosen = _chosen(database, dead_letter_ids, queue, reason, every=every)
    if chosen and not yes:
        click.confirm(f"Drop {len(chosen)} dead letters?", abort=True, err=True)
    _each("dropped", database, chosen, dead_letters.drop, as_json=as_json)


def _each(
    done: str,
    database: Database[OperatorsStore],
    chosen: Iterable[int],
    act: Callable[[OperatorsStore, int], None],
    *,
    as_json: bool,
) -> None:
    """Call `act` with each of `chosen` in a transaction of its own, print which, exit with 1 if some failed."""
    worked: list[int] = []
    refused: list[dict[str, Any]] = []
    for number in chosen:
        try:
            database.transact(act, number)
        except CatalogError as fault:
            click.echo(f"{number}: {fault}", err=True)
            refused.append({"id": number, "code": fault.code, "detail": str(fault)})
        else:
            worked.append(number)
    said = f"{done} {len(worked)}" + (f", {len(refused)} could not be" if refused else "")
    tell({done: worked, "refused": refused}, said, as_json=as_json)
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
