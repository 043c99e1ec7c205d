"""`catalog reconcile`: compare catalog with a bucket, show what is wrong, and mend it if asked to."""

import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from itertools import chain

import click

from catalog.adapters import thumbs
from catalog.adapters.operators_store import OperatorsStore
from catalog.errors import StorageError
from catalog.settings import ReconcileSettings
from catalog.upkeep import progress, reconciliation
from catalog.upkeep.connection import connect
from catalog.upkeep.durations import Duration
from catalog.upkeep.findings import Batch, DifferingThumbs, Finding, MissingThumbs, OrphanThumb, Outcome, Stuck
from catalog.upkeep.installation_command import UNSETTLED
from catalog.upkeep.reconciliation import Comparison
from catalog.upkeep.report import KEYS_SHOWN, Report
from chassis.clock import now
from chassis.commands import json_option
from chassis.errors import DependencyDownError
from chassis.s3.conditions import KeptConditions
from chassis.settings import load

EXIT_FOUND = 1
# Deleting more thumbs than are left, and more than this many, takes --force.
FEW = 10


class CutOffError(click.ClickException):
    """Database or S3 failed before everything was looked at."""

    exit_code = 2

    def __init__(self, fault: Exception) -> None:
        said = fault.for_operators if isinstance(fault, DependencyDownError) else fault
        super().__init__(f"{said}\nNot everything was looked at; what was mended is. The command can be run again.")


@click.command()
@click.option("--bucket", required=True, metavar="NAME", help="The bucket to compare with.")
@click.option("--repair", is_flag=True, help="Process images again that are stuck or have missing or wrong thumbs.")
@click.option("--delete", is_flag=True, help="Delete orphan thumbs, which no image shows; never anything else.")
@click.option(
    "--force",
    is_flag=True,
    help="Also delete thumbs that name no installation, and do so even if few thumbs would be left.",
)
@click.option(
    "--grace",
    type=Duration(),
    default="1h",
    show_default=True,
    help="Keep orphan thumbs that are younger than this.",
)
@click.option(
    "--stuck-after",
    type=Duration(),
    default="15m",
    show_default=True,
    help="Take jobs for lost that were sent longer ago; more than imaging ever lags behind.",
)
@click.option("--verbose", is_flag=True, help=f"Show all keys, not just {KEYS_SHOWN} of each kind.")
@json_option
def reconcile(  # noqa: PLR0913 - the options of one command
    *,
    bucket: str,
    repair: bool,
    delete: bool,
    force: bool,
    grace: timedelta,
    stuck_after: timedelta,
    verbose: bool,
    as_json: bool,
) -> None:
    """Compare catalog with a bucket: find stuck keys, missing or wrong thumbs, and orphan thumbs.

    Nothing is changed without --repair or --delete; with them each finding is looked at again, with its key locked,
    before it is mended. Thumbs of other installations are counted and left alone. The status is 0 if nothing is wrong
    or everything is mended; 1 if something was found and left; 2 if not everything could be looked at, or deletion was
    refused. With --json each finding is a line, and the counts are the last one.
    """
    settings = load(ReconcileSettings)
    report = Report(as_json=as_json, verbose=verbose)
    try:
        with thumbs.connect(settings, warn) as storage:
            compared = Comparison(connect(settings), storage, bucket)
            storage.check(bucket)
            if delete:
                _check_deletion(compared, force=force)
            _compare(compared, report, repair=repair, delete=delete, force=force, grace=grace, stuck_after=stuck_after)
    except (StorageError, DependencyDownError) as fault:
        raise CutOffError(fault) from fault
    report.conclude()
    if report.left():
        sys.exit(EXIT_FOUND)


def warn(bucket: str, kept: KeptConditions) -> None:
    """Tell that S3 does not keep conditions of deletions in `bucket`, if it does not."""
    if not kept.deletions:
        click.echo(
            f"S3 does not keep conditions of deletions in {bucket}: each thumb is looked at before it is deleted",
            err=True,
        )


def _check_deletion(compared: Comparison, *, force: bool) -> None:
    """Refuse to delete if the database may not be the one that the bucket belongs to."""
    if not compared.database.read(OperatorsStore.installation).is_settled:
        raise click.UsageError(UNSETTLED)
    compared.thumbs.ask_for_conditions(compared.bucket)
    if force:
        return
    if not compared.database.read(OperatorsStore.has_images, compared.bucket):
        raise click.UsageError(f"no image lives in {compared.bucket}: is this the database that belongs to it?")
    kept = gone = looked_at = 0
    with progress.shown("looking at all thumbs before any is deleted", None) as bar:
        for page in chain(reconciliation.find_in_bucket(compared), reconciliation.find_in_images(compared)):
            kept += page.kept
            gone += sum(isinstance(finding, OrphanThumb) and finding.is_marked for finding in page.findings)
            looked_at += page.looked_at
            bar.reached(looked_at)
    if gone > max(kept, FEW):
        raise click.UsageError(
            f"this would delete {gone} of {kept + gone} thumbs: is this the database that belongs to the bucket? "
            "Without --delete they are only listed; --force deletes them."
        )


def _compare(  # noqa: PLR0913 - the options of one command
    compared: Comparison,
    report: Report,
    *,
    repair: bool,
    delete: bool,
    force: bool,
    grace: timedelta,
    stuck_after: timedelta,
) -> None:
    database = compared.database
    lost_before, deletable_before = now() - stuck_after, now() - grace

    def mend(finding: Finding) -> Outcome | None:
        """Mend `finding` if that was asked for; return None if it was not."""
        match finding:
            case Stuck() if repair:
                return database.transact(reconciliation.mend_stuck, compared, finding, lost_before)
            case MissingThumbs() | DifferingThumbs() if repair:
                return database.transact(reconciliation.mend_thumbs, compared, finding)
            case OrphanThumb() if delete:
                return database.transact(
                    reconciliation.delete_thumb, compared, finding, deletable_before, unmarked=force
                )
            case _:
                return None

    go_through = partial(_go_through, report, mend)
    ready = database.read(OperatorsStore.count_ready, compared.bucket)
    go_through("stuck keys", None, reconciliation.find_stuck(compared, lost_before))
    go_through("ready images", ready, reconciliation.find_in_images(compared))
    go_through("objects", None, reconciliation.find_in_bucket(compared))


def _go_through(
    report: Report,
    mend: Callable[[Finding], Outcome | None],
    label: str,
    total: int | None,
    pages: Iterator[Batch],
) -> None:
    looked_at = 0
    with progress.shown(label, total) as bar:
        for page in pages:
            for finding in page.findings:
                report.add(finding, mend(finding))
            report.foreign.update(page.foreign)
            looked_at += page.looked_at
            bar.reached(looked_at)
