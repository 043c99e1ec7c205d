"""`catalog check-storage`: try signed upload forms as a browser would use them."""

import sys

import click

from catalog.bootstrap import make_buckets, make_uploads
from catalog.settings import ServeSettings
from catalog.upkeep.check_storage import KEY, check
from chassis.commands import json_option, tell
from chassis.s3 import check as s3_check
from chassis.settings import load


@click.command("check-storage")
@json_option
def check_storage(*, as_json: bool) -> None:
    """Check what uploads need of the default bucket, and say what to change.

    Forms are signed for the address that browsers use, so run this where that address can be reached. A small object is
    uploaded by a signed form and stays there, since the credential may only put. The status is 1 if something is
    missing; uploads work without what is "limited", with the drawback that is named.
    """
    settings = load(ServeSettings)
    uploads = make_uploads(settings)
    if uploads is None:
        said = "uploads are off: CATALOG_DEFAULT_BUCKET and a credential, CATALOG_S3_…, switch them on"
        tell({"passed": True, "uploads": "off", "checks": []}, said, as_json=as_json)
        return
    url = make_buckets(settings).url(uploads.bucket, KEY)
    if not s3_check.show(check(uploads, url), as_json=as_json):
        sys.exit(1)
