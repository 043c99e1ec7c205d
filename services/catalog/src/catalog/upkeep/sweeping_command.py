"""`catalog sweep-uploads`: show, and delete if asked to, what was uploaded and never registered."""

import json
import sys
from collections import Counter
from datetime import timedelta

import click

from catalog.adapters import thumbs
from catalog.adapters.operators_store import OperatorsStore
from catalog.errors import StorageError
from catalog.settings import ReconcileSettings
from catalog.upkeep import progress, sweeping
from catalog.upkeep.connection import connect
from catalog.upkeep.durations import Duration
from catalog.upkeep.findings import Outcome
from catalog.upkeep.installation_command import UNSETTLED
from catalog.upkeep.reconciliation_command import EXIT_FOUND, CutOffError, warn
from catalog.upkeep.sweeping import Uploads
from chassis.clock import now
from chassis.commands import json_option
from chassis.errors import DependencyDownError
from chassis.settings import load

_SAID = {Outcome.MENDED: "deleted", Outcome.ALREADY_FINE: "gone or registered by then", Outcome.SKIPPED: "kept"}
LEAST_GRACE = timedelta(hours=1)


@click.command("sweep-uploads")
@click.option("--bucket", required=True, metavar="NAME", help="The bucket of uploads, CATALOG_DEFAULT_BUCKET.")
@click.option("--delete", is_flag=True, help="Delete what is found, each after another look.")
@click.option(
    "--grace",
    type=Duration(),
    default="1d",
    show_default=True,
    help="Leave what was uploaded, or may be, within this time; at least an hour.",
)
@json_option
def sweep_uploads(*, bucket: str, delete: bool, grace: timedelta, as_json: bool) -> None:
    """Show what was uploaded under prefixes that were handed out for it, and never registered.

    Nothing is changed without --delete. Prefixes are known for CATALOG_UPLOAD_PREFIX_S, a week by default: run it more
    often than that. The status is 0 if nothing is left, 1 if something is, 2 if not everything could be looked at. With
    --json each object is a line, and the counts are the last one.
    """
    if grace < LEAST_GRACE:
        raise click.UsageError("--grace is at least 1h: forms for uploads are valid for ten minutes")
    settings, before = load(ReconcileSettings), now() - grace
    outcomes: Counter[Outcome | None] = Counter()
    prefixes = size = 0
    try:
        with thumbs.connect(settings, warn) as storage, progress.shown("prefixes", None) as bar:
            uploads = Uploads(connect(settings), storage, bucket)
            storage.check(bucket)
            if delete and not uploads.database.read(OperatorsStore.installation).is_settled:
                raise click.UsageError(UNSETTLED)
            for found in sweeping.find(uploads, before):
                prefixes += found.prefixes
                bar.reached(prefixes)
                for upload in found.unregistered:
                    outcome = (
                        uploads.database.transact(sweeping.delete, uploads, upload.key, before) if delete else None
                    )
                    outcomes[outcome] += 1
                    size += upload.size
                    _tell_one(upload.key, upload.size, outcome, as_json=as_json)
    except (StorageError, DependencyDownError) as fault:
        raise CutOffError(fault) from fault
    _conclude(outcomes, prefixes, size, as_json=as_json)
    if outcomes[None] + outcomes[Outcome.SKIPPED]:
        sys.exit(EXIT_FOUND)


def _tell_one(key: str, size: int, outcome: Outcome | None, *, as_json: bool) -> None:
    said = "found" if outcome is None else _SAID[outcome]
    if as_json:
        click.echo(json.dumps({"s3_key": key, "bytes": size, "outcome": said}))
    else:
        click.echo(f"{said}  {size:>12,} bytes  {key!r}")


def _conclude(outcomes: Counter[Outcome | None], prefixes: int, size: int, *, as_json: bool) -> None:
    counts = {said: outcomes[outcome] for outcome, said in _SAID.items()}
    found = outcomes.total()
    if as_json:
        click.echo(json.dumps({"prefixes": prefixes, "found": found, "bytes": size, **counts}))
        return
    became = ", ".join(f"{count} {said}" for said, count in counts.items() if count)
    click.echo(
        f"{found} unregistered uploads of {size:,} bytes under {prefixes} prefixes" + (f": {became}" if became else "")
    )
