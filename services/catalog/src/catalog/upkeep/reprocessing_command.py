"""`catalog reprocess`: process images again, at a pace that leaves room for fresh uploads."""

import sys
from datetime import timedelta
from typing import get_args

import click

from catalog.adapters.operators_store import OperatorsStore
from catalog.domain import Status
from catalog.runs import Run, Selection
from catalog.settings import DatabaseSettings
from catalog.upkeep import interruption, progress, reprocessing
from catalog.upkeep.connection import connect
from catalog.upkeep.pace import Pace, in_flight_option, rate_option
from chassis.commands import json_option, tell
from chassis.database.database import Database
from chassis.settings import load

EXIT_UNFINISHED = 1
NEWEST = 0


@click.command()
@click.option("--key", "keys", multiple=True, metavar="KEY", help="The image at this key; may be repeated.")
@click.option("--collection", metavar="NAME", help="Images in this collection.")
@click.option("--owner", metavar="USER-ID", help="Images of this user; auth list-users shows the ids.")
@click.option("--state", type=click.Choice(get_args(Status)), help="Images in this state.")
@click.option(
    "--recipe-older-than", type=int, metavar="N", help="Images whose thumbs were made by a recipe older than N."
)
@click.option("--all", "every", is_flag=True, help="All images.")
@click.option("--dry-run", is_flag=True, help="Only show how many images, and how long it would take at least.")
@in_flight_option
@rate_option
@click.option(
    "--resume",
    is_flag=False,
    flag_value=NEWEST,
    type=click.IntRange(min=NEWEST),
    metavar="[RUN]",
    help="Continue an interrupted run, by default the newest unfinished one.",
)
@json_option
def reprocess(  # noqa: PLR0913 - the options of one command
    *,
    keys: tuple[str, ...],
    collection: str | None,
    owner: str | None,
    state: Status | None,
    recipe_older_than: int | None,
    every: bool,
    dry_run: bool,
    in_flight: int,
    rate: float,
    resume: int | None,
    as_json: bool,
) -> None:
    """Process images again, at a pace that leaves room for fresh uploads.

    Several selections narrow each other. Whatever ends the command, --resume continues right after the last image: none
    is queued twice or left out. The status is 0 when all images are queued, 1 if the command was ended before that.
    """
    given = any((keys, collection, owner, state, every)) or recipe_older_than is not None
    if resume is None and not given:
        raise click.UsageError(
            "select images by --key, --collection, --owner, --state, --recipe-older-than or --all, or --resume a run"
        )
    if resume is not None and given:
        raise click.UsageError("a resumed run keeps the selection that it began with")
    database = connect(load(DatabaseSettings))
    if resume is not None:
        run = database.read(reprocessing.find_run, resume or None)
        if dry_run:
            _tell_size(database.read(OperatorsStore.count_selected, run.selection, run.cursor), rate, as_json=as_json)
            return
        said = f"run {run.run_id} of {run.date_created:%Y-%m-%d %H:%M} goes on: {run.done} of {run.total} are done"
        click.echo(said, err=as_json)
    else:
        selection = database.read(
            reprocessing.select,
            keys=keys,
            collection=collection,
            user_id=owner,
            status=state,
            recipe_older_than=recipe_older_than,
        )
        found = database.read(OperatorsStore.count_selected, selection)
        if dry_run or not found:
            _tell_size(found, rate, as_json=as_json)
            return
        run = _begin(database, selection, as_json=as_json)
    _work(database, run, Pace(in_flight, rate), as_json=as_json)


def _begin(database: Database[OperatorsStore], selection: Selection, *, as_json: bool) -> Run:
    run = database.transact(reprocessing.begin, selection)
    click.echo(f"run {run.run_id}: {run.total} images", err=as_json)
    return run


def _work(database: Database[OperatorsStore], run: Run, pace: Pace, *, as_json: bool) -> None:
    with interruption.postponed() as wait, progress.shown("queued", run.total, done=run.done) as bar:
        for step in reprocessing.steps(database, run, pace):
            run = step.run
            bar.reached(run.done, f"waiting: {step.held_back}" if step.held_back else "")
            if run.date_finished is None and wait(step.wait_s):
                break
    passed_over = run.total - run.done
    if run.date_finished is None:
        said = f"{run.done} of {run.total} images queued; go on with: catalog reprocess --resume {run.run_id}"
    else:
        said = f"{run.done} images queued" + (f"; {passed_over} are not selected any more" if passed_over > 0 else "")
    document = {"run": run.run_id, "images": run.total, "queued": run.done, "finished": run.date_finished is not None}
    tell(document, said, as_json=as_json)
    if run.date_finished is None:
        sys.exit(EXIT_UNFINISHED)


def _tell_size(images: int, rate: float, *, as_json: bool) -> None:
    least = timedelta(seconds=round(images / rate))
    said = f"{images} images, at least {least} at {rate:g} a second" if images else "no image is selected"
    tell({"images": images, "least_seconds": round(images / rate)}, said, as_json=as_json)
