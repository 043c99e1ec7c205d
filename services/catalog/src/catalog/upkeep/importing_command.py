"""`catalog import`: register the pictures that lie in a bucket already."""

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

import click

from catalog.adapters import listing
from catalog.bootstrap import make_buckets
from catalog.errors import StorageError
from catalog.settings import ImportSettings
from catalog.upkeep import importing, interruption, progress
from catalog.upkeep.connection import connect
from catalog.upkeep.importing import Import, Step
from catalog.upkeep.pace import Pace, in_flight_option, rate_option
from catalog.upkeep.report import KEYS_SHOWN
from chassis.commands import json_option, tell
from chassis.s3 import client as s3
from chassis.settings import load
from chassis.tokens import Principal

EXIT_UNFINISHED = 1


@dataclass
class _Found:
    """What was done so far; of the keys that are left out, the first few for each reason."""

    verbose: bool
    looked_at: int = 0
    registered: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    keys: dict[str, list[str]] = field(default_factory=dict)

    def add(self, step: Step) -> None:
        self.looked_at += step.looked_at
        self.registered += len(step.registered)
        for key, reason in step.left_out:
            self.left_out[reason] += 1
            shown = self.keys.setdefault(reason, [])
            if self.verbose:
                click.echo(f"left out  {key!r}  {reason}", err=True)
            elif len(shown) < KEYS_SHOWN:
                shown.append(key)

    def lines(self) -> Iterator[str]:
        """Yield a line for each reason, and the keys below it."""
        for reason, count in self.left_out.most_common():
            yield f"{count} left out: {reason}"
            if reason == importing.REGISTERED:
                continue
            yield from (f"  {key!r}" for key in self.keys[reason])
            if not self.verbose and count > len(self.keys[reason]):
                yield f"  and {count - len(self.keys[reason])} more; --verbose shows them"


@click.command("import")
@click.option("--bucket", required=True, metavar="NAME", help="The bucket, one of CATALOG_BUCKETS.")
@click.option("--prefix", default="", metavar="PREFIX", help="Only keys that begin so.")
@click.option(
    "--owner",
    "--user",
    "owner",
    required=True,
    type=click.UUID,
    metavar="USER-ID",
    help="Whose images they become; auth list-users shows the ids.",
)
@click.option("--collection", metavar="NAME", help="Put them into this collection too, which is made if it is missing.")
@click.option("--any-name", is_flag=True, help="Also what is not named as a picture, such as photos without .jpg.")
@click.option("--dry-run", is_flag=True, help="Only show how many would be registered, and what would be left out.")
@in_flight_option
@rate_option
@click.option("--verbose", is_flag=True, help=f"Show all keys left out, not just {KEYS_SHOWN} for each reason.")
@json_option
def import_bucket(  # noqa: PLR0913 - the options of one command
    *,
    bucket: str,
    prefix: str,
    owner: UUID,
    collection: str | None,
    any_name: bool,
    dry_run: bool,
    in_flight: int,
    rate: float,
    verbose: bool,
    as_json: bool,
) -> None:
    """Register the pictures that lie in a bucket already, at a pace that leaves room for fresh uploads.

    Keys that are registered are passed over, so the command is just run again if something ends it. Limits per user do
    not count here. The status is 0 when all of the bucket was looked at, 1 if the command was ended before that.
    """
    settings = load(ImportSettings)
    buckets = make_buckets(settings)
    if bucket not in buckets.by_name:
        raise click.UsageError(f"{bucket} is not one of CATALOG_BUCKETS: {', '.join(buckets.by_name)}")
    wanted = Import(buckets, bucket, Principal(str(owner), "", "key"), collection, any_name)
    database = connect(settings)
    client = s3.connect(s3.Access.from_settings(settings, "reconcile_s3"), read_timeout_s=30)
    pages = listing.list_objects(client, bucket, prefix)
    if dry_run:
        steps = importing.look(database, wanted, pages)
    else:
        if collection is not None:
            database.transact(importing.open_collection, wanted.owner, collection)
        steps = importing.steps(database, wanted, pages, Pace(in_flight, rate))
    found, ended = _Found(verbose), False
    try:
        with interruption.postponed() as wait, progress.shown("objects", None) as bar:
            for step in steps:
                found.add(step)
                bar.reached(found.looked_at, f"waiting: {step.held_back}" if step.held_back else "")
                if wait(step.wait_s):
                    ended = True
                    break
    except StorageError as fault:
        raise click.ClickException(f"{fault}; {found.registered} registered so far, run it again to go on") from fault
    _tell(found, ended=ended, dry_run=dry_run, as_json=as_json)
    if ended:
        sys.exit(EXIT_UNFINISHED)


def _tell(found: _Found, *, ended: bool, dry_run: bool, as_json: bool) -> None:
    document = {
        "objects": found.looked_at,
        "would_register" if dry_run else "registered": found.registered,
        "left_out": dict(found.left_out),
        "finished": not ended,
    }
    said = f"{found.registered} of {found.looked_at} objects {'would be registered' if dry_run else 'registered'}"
    if ended:
        said += "; run it again to go on"
    tell(document, said, *found.lines(), as_json=as_json)
