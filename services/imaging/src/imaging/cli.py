"""The commands of imaging."""

import sys
from pathlib import Path

import click

from chassis import commands, logs, worker
from chassis.commands import Commands, json_option, tell
from chassis.s3 import check as s3_check
from chassis.settings import load
from imaging import inspection
from imaging.adapters.check import check
from imaging.errors import DecodeTimeoutError, HostExhaustedError, PictureError
from imaging.settings import ImagingSettings, PictureSettings


@click.group(cls=Commands, package="imghost-imaging", refusals=(DecodeTimeoutError, HostExhaustedError))
def main() -> None:
    """Make thumbnails, palettes and placeholders."""


@main.command("worker")
@json_option
def run_worker(*, as_json: bool) -> None:
    """Work on jobs from RabbitMQ until SIGTERM or SIGINT; finish those in hand."""
    settings = load(ImagingSettings)
    commands.start("imaging", settings, as_json=as_json)
    worker.run("imaging.worker:make_worker", settings)


@main.command("check-storage")
@click.argument("bucket")
@click.option(
    "--url", metavar="BASE", help="Where anybody can read the bucket's objects, if that is not the S3 endpoint."
)
@json_option
def check_storage(bucket: str, url: str | None, *, as_json: bool) -> None:
    """Try everything that the worker needs of BUCKET, and say what to change.

    Writes, reads and deletes an object of its own, and touches nothing else. Exits with status 1 if something is
    missing. The service also works where something is "limited", at the price shown.
    """
    settings = load(ImagingSettings)
    if not s3_check.show(check(settings, bucket, url), as_json=as_json):
        sys.exit(1)


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--thumbs", type=click.Path(file_okay=False, path_type=Path), help="Folder for the thumbs. Default: FILE.thumbs"
)
@json_option
def inspect(file: Path, thumbs: Path | None, *, as_json: bool) -> None:
    """Show what the worker would make of a local FILE: size, colours, placeholder. Write its thumbs into a folder.

    This runs the worker's own code in the same child processes, with the same limits (the IMAGING_ variables).
    """
    settings = load(PictureSettings)
    logs.configure("imaging", "warning", "text", stream=sys.stderr)
    try:
        rendering = inspection.render(settings, file)
    except PictureError as fault:
        raise click.ClickException(f"would end as failed, {fault.code}: {fault}") from fault
    written = inspection.write_thumbs(rendering, thumbs or Path(f"{file.name}.thumbs"))
    document = {
        "size": {"width": rendering.width, "height": rendering.height},
        "content_type": rendering.content_type,
        "colors": rendering.colors,
        "placeholder": rendering.placeholder,
        "thumbs": [
            {"file": str(path), "size": {"width": thumb.width, "height": thumb.height}, "bytes": len(thumb.data)}
            for path, thumb in written.items()
        ],
    }
    tell(
        document,
        f"{rendering.width} x {rendering.height} pixels, {rendering.content_type}",
        *(f"  {_patch(colour)} {colour}" for colour in rendering.colors),
        f"placeholder {rendering.placeholder}",
        *(f"{path}  {thumb.width} x {thumb.height}, {len(thumb.data)} bytes" for path, thumb in written.items()),
        as_json=as_json,
    )


def _patch(colour: str) -> str:
    """Return a patch of `colour` for a terminal."""
    red, green, blue = bytes.fromhex(colour[1:])
    return click.style("      ", bg=(red, green, blue))
