"""`catalog installation`: which installation this database is of, and settling that after a restore."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import click

from catalog.adapters.operators_store import OperatorsStore
from catalog.domain import Installation
from catalog.settings import DatabaseSettings
from catalog.upkeep import progress
from catalog.upkeep.connection import connect
from catalog.upkeep.installation import begin_anew, go_on, resume
from chassis.commands import json_option, tell
from chassis.settings import load

UNSETTLED = (
    "this database was restored into another one, so no image is processed and nothing is deleted:\n"
    "  catalog installation continue   if the installation that it was copied from is gone for good\n"
    "  catalog installation new        if that installation still runs, and this is a copy beside it"
)


@click.group("installation")
def group() -> None:
    """Show which installation this is; after a restore, say whether it continues or is a new one."""


@group.command()
@json_option
def show(*, as_json: bool) -> None:
    """Show the id of this installation, and whether its database is still the one that it was made in."""
    found = connect(load(DatabaseSettings)).read(OperatorsStore.installation)
    lines = [f"installation {found.installation_id}", *[UNSETTLED] * (not found.is_settled)]
    tell({"id": found.installation_id, "settled": found.is_settled}, *lines, as_json=as_json)


@group.command("continue")
@click.option(
    "--id",
    "installation_id",
    metavar="ID",
    type=click.UUID,
    help="The installation whose thumbs are there, for a backup of a release without ids; reconcile shows the id.",
)
@json_option
def continue_(installation_id: UUID | None, *, as_json: bool) -> None:
    """Continue the installation that was restored; the one that it was copied from must be gone for good."""
    document, lines = _settle(go_on, str(installation_id) if installation_id else None)
    tell(document, *lines, as_json=as_json)


@group.command()
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@json_option
def new(*, yes: bool, as_json: bool) -> None:
    """Become a new installation; the thumbs that are there belong to the one that this was copied from.

    They stay as they are: images show them, but cannot be processed again in the same bucket. For a copy of the whole
    data folder, run this before any of its services starts.
    """
    before = connect(load(DatabaseSettings)).read(OperatorsStore.installation)
    if before.is_settled and not yes:
        click.confirm("This installation is settled. Shall it give up all its thumbs?", abort=True, err=True)
    document, lines = _settle(begin_anew)
    lines.append(f"it was {before.installation_id}; to go back: catalog installation continue --id …")
    tell({**document, "was": before.installation_id}, *lines, as_json=as_json)


def _settle(decide: Callable[..., Installation], *arguments: str | None) -> tuple[dict[str, Any], list[str]]:
    """Settle which installation this is, and restart open work. Return what to say, as a document and as lines."""
    database = connect(load(DatabaseSettings))
    settled = database.transact(decide, *arguments)
    restarted = 0
    with progress.shown("open keys", None) as bar:
        for count in resume(database):
            restarted += count
            bar.reached(restarted)
    document = {"id": settled.installation_id, "settled": settled.is_settled, "restarted_keys": restarted}
    return document, [
        f"this is installation {settled.installation_id}",
        f"{restarted} keys with open work are restarted",
    ]
