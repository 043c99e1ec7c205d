"""`catalog takedown`: hide an image from everybody but its owner, and block its key; or undo that."""

import click

from catalog.errors import UnacceptableKeyError
from catalog.keys import check_key
from catalog.settings import DatabaseSettings
from catalog.upkeep import takedown
from catalog.upkeep.connection import connect
from chassis.commands import json_option, tell
from chassis.settings import load

LONGEST_REASON = 1000


@click.command("takedown")
@click.argument("s3_key", metavar="KEY")
@click.option("--reason", metavar="TEXT", help="Why; the owner of the image and the audit log are told.")
@click.option("--undo", is_flag=True, help="Show the image again, and let images be registered at the key.")
@json_option
def take_down(*, s3_key: str, reason: str | None, undo: bool, as_json: bool) -> None:
    """Hide the image at KEY from everybody but its owner, delete its thumbs, and let none be registered there.

    It is hidden at once, and its thumbs are deleted by a job. The original stays in the bucket: delete it there, or let
    nobody read it. The status is 3 if there is nothing to undo.
    """
    if undo == (reason is not None):
        raise click.UsageError("give either --reason or --undo")
    if reason is not None and not 1 <= len(reason.strip()) <= LONGEST_REASON:
        raise click.UsageError(f"--reason has 1 to {LONGEST_REASON} characters")
    try:
        check_key(s3_key)
    except UnacceptableKeyError as fault:
        raise click.UsageError(f"no image can have this key: {fault}") from fault
    database = connect(load(DatabaseSettings))
    if reason is None:
        image = database.transact(takedown.undo, s3_key)
        found = "is processed and shown again" if image else "is free again; its image was deleted"
    else:
        image = database.transact(takedown.take_down, s3_key, reason.strip())
        found = "is hidden, and its key blocked" if image else "has no image; it is blocked"
    document = {"s3_key": s3_key, "image": image.image_id if image else None, "taken_down": reason is not None}
    tell(document, f"{s3_key} {found}", as_json=as_json)
