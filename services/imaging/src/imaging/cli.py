"""The commands of imaging."""

import sys
from pathlib import Path

import click

from chassis import commands, logs, worker
from chassis.commands import Commands
from chassis.s3 import check as s3_check
from chassis.settings import load
from imaging.adapters.check import check
from imaging.bootstrap import make_pool
from imaging.errors import DecodeTimeoutError, HostExhaustedError, PictureError
from imaging.settings import ImagingSettings, PictureSettings
from imaging.worker import make_worker


@click.group(cls=Commands, refusals=(DecodeTimeoutError, HostExhaustedError))
def main() -> None:
    """Make thumbnails, palettes and placeholders."""


@main.command("worker")
def run_worker() -> None:
    """Take jobs from the message broker until told to stop."""
    settings = load(ImagingSettings)
    commands.start("imaging", settings)
    worker.run(make_worker(settings), settings)


@main.command("check-storage")
@click.argument("bucket")
@click.option("--url", metavar="BASE", help="Where everybody reads the bucket's objects, if not at the S3 endpoint.")
def check_storage(bucket: str, url: str | None) -> None:
    """Try everything that the worker needs of BUCKET, and tell what to change.

    An object of the service's own is written, read and deleted; nothing else is touched. Ends with status 1 when
    something is missing; what is "limited" the service works without, at the price that is named.
    """
    settings = load(ImagingSettings)
    logs.configure("imaging", "error", "console")
    if not s3_check.show(check(settings, bucket, url)):
        sys.exit(1)


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--thumbs", type=click.Path(file_okay=False, path_type=Path), help="Folder for the thumbs; by default FILE.thumbs"
)
def inspect(file: Path, thumbs: Path | None) -> None:
    """Show what the service would make of a local FILE: size, colours, placeholder; its thumbs go into a folder.

    The code is that of the worker, with its limits (IMAGING_ variables change them), its children included.
    """
    settings = load(PictureSettings)
    logs.configure("imaging", "warning", "console")
    pool = make_pool(settings)
    try:
        rendering = pool.render(file.read_bytes())
    except PictureError as fault:
        raise click.ClickException(f"would end as failed, {fault.code}: {fault}") from fault
    finally:
        pool.close()
    folder = thumbs or Path(f"{file.name}.thumbs")
    folder.mkdir(parents=True, exist_ok=True)
    click.echo(f"{rendering.width} x {rendering.height} pixels, {rendering.content_type}")
    for colour in rendering.colors:
        red, green, blue = bytes.fromhex(colour[1:])
        click.echo(f"  {click.style('      ', bg=(red, green, blue))} {colour}")
    click.echo(f"placeholder {rendering.placeholder}")
    for thumb in rendering.thumbs:
        path = folder / f"t{thumb.square}.{thumb.content_type.removeprefix('image/')}"
        path.write_bytes(thumb.data)
        click.echo(f"{path}  {thumb.width} x {thumb.height}, {len(thumb.data)} bytes")
