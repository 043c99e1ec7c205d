"""`catalog installation`: which installation this database is of, and settling that after a restore."""

import json
from collections.abc import Callable
from uuid import UUID

import click

from catalog.adapters.operators_store import OperatorsStore
from catalog.domain import Installation
from catalog.settings import DatabaseSettings
from catalog.upkeep import progress
from catalog.upkeep.connection import connect
from catalog.upkeep.installation import begin_anew, go_on, resume
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
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def show(*, as_json: bool) -> None:
    """Show the id of this installation, and whether its database is still the one that it was made in."""
    found = connect(load(DatabaseSettings)).read(OperatorsStore.installation)
    if as_json:
        click.echo(json.dumps({"id": found.installation_id, "settled": found.is_settled}))
        return
    click.echo(f"installation {found.installation_id}")
    if not found.is_settled:
        click.echo(UNSETTLED)


@group.command("continue")
@click.option(
    "--id",
    "installation_id",
    metavar="ID",
    type=click.UUID,
    help="The installation whose thumbs are there, for a backup of a release without ids; reconcile shows the id.",
)
def continue_(installation_id: UUID | None) -> None:
    """Continue the installation that was restored; the one that it was copied from must be gone for good."""
    _settle(go_on, str(installation_id) if installation_id else None)


@group.command()
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def new(*, yes: bool) -> None:
    """Become a new installation; the thumbs that are there belong to the one that this was copied from.

    They stay as they are: images show them, but cannot be processed again in the same bucket. For a copy of the whole
    data folder, run this before any of its services starts.
    """
    before = connect(load(DatabaseSettings)).read(OperatorsStore.installation)
    if before.is_settled and not yes:
        click.confirm("This installation is settled. Shall it give up all its thumbs?", abort=True)
    _settle(begin_anew)
    click.echo(f"it was {before.installation_id}; to go back: catalog installation continue --id …")


def _settle(decide: Callable[..., Installation], *arguments: str | None) -> None:
    database = connect(load(DatabaseSettings))
    settled = database.transact(decide, *arguments)
    click.echo(f"this is installation {settled.installation_id}")
    restarted = 0
    with progress.shown("open keys", None) as bar:
        for count in resume(database):
            restarted += count
            bar.reached(restarted)
    click.echo(f"{restarted} keys with open work are restarted")
