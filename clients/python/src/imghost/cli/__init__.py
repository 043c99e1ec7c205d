"""The command `imghost`."""

import click

from imghost.cli import collections, images, keys, login, uploads
from imghost.cli.commands import Commands, completion


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="imghost", message="%(prog)s %(version)s")
def main() -> None:
    """Upload pictures to imghost, and keep them in order.

    The status is 0 if it worked, 1 if something was refused or failed, 2 for wrong options, 3 if what is named is not
    there, 4 if a name is taken, 5 if somebody changed it meanwhile, 6 if you are not logged in or the credentials are
    not accepted, 7 if the service or S3 does not answer, and 130 if it was interrupted.
    """


for _command in (
    login.login,
    login.logout,
    login.whoami,
    uploads.upload,
    uploads.sync,
    uploads.watch,
    images.ls,
    images.show,
    images.open_,
    images.edit,
    images.rm,
    collections.collections,
    keys.keys,
    completion,
):
    main.add_command(_command)
