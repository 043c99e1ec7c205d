"""Images: list, show, open, change and delete them."""

import json
from collections.abc import Iterable
from datetime import datetime
from itertools import islice

import click
import msgspec

from imghost.cli.commands import connect, json_option, plain, tell
from imghost.models import ContentType, Image, Status

_TIME = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"])
_FORMATS = ("avif", "bmp", "gif", "heic", "heif", "jpeg", "png", "tiff", "webp")


def line(image: Image) -> str:
    """Return an image in a line."""
    size = f"{image.size.width}x{image.size.height}" if image.size else "-"
    length = f"{image.bytes:,}" if image.bytes is not None else "-"
    title = image.title or (image.error.code if image.error else "")
    return (
        f"{image.date_created:%Y-%m-%d}  {image.status:<7}  {size:>11}  {length:>12}  {image.s3_key}  {title}".rstrip()
    )


def print_all(images: Iterable[Image], *, as_json: bool) -> None:
    """Print images as they come, as lines or as one array in JSON: there may be very many."""
    if not as_json:
        for image in images:
            click.echo(plain(line(image)))
        return
    before = "["
    for image in images:
        click.echo(before + json.dumps(msgspec.to_builtins(image), ensure_ascii=False), nl=False)
        before = ",\n "
    click.echo("[]" if before == "[" else "]")


@click.command()
@click.argument("words", nargs=-1)
@click.option("--status", type=click.Choice(["pending", "ready", "failed"]))
@click.option("--collection", help="Only those in this collection.")
@click.option("--format", "picture_format", type=click.Choice(_FORMATS), help="Only pictures of this format.")
@click.option("--after", type=_TIME, help="Only those that were registered after this time.")
@click.option("--before", type=_TIME, help="Only those that were registered before this time.")
@click.option("--sha256", help="Only those with this content.")
@click.option("--oldest", is_flag=True, help="Begin with the oldest.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Show at most this many.")
@click.option("--all", "everything", is_flag=True, help="Show all of them.")
@json_option
def ls(  # noqa: PLR0913, PLR0917 - one for each option
    words: tuple[str, ...],
    status: Status | None,
    collection: str | None,
    picture_format: str | None,
    after: datetime | None,
    before: datetime | None,
    sha256: str | None,
    limit: int,
    *,
    oldest: bool,
    everything: bool,
    as_json: bool,
) -> None:
    """List your images, newest first: those that have all WORDS in title, description or key."""
    content_type: ContentType | None = f"image/{picture_format}" if picture_format else None  # type: ignore[assignment]
    with connect() as client:
        images = client.list_images(
            q=" ".join(words) or None,
            status=status,
            collection=collection,
            content_type=content_type,
            created_after=after,
            created_before=before,
            sha256=sha256,
            sort="oldest" if oldest else None,
            page_size=None if everything else min(limit, 1000),
        )
        print_all(islice(images, None if everything else limit), as_json=as_json)


@click.command()
@click.argument("key")
@json_option
def show(key: str, *, as_json: bool) -> None:
    """Show the image with this KEY."""
    with connect() as client:
        image = client.get_image(key)
    size = f"{image.size.width} x {image.size.height}" if image.size else None
    shown = {
        "key": image.s3_key,
        "title": image.title,
        "description": image.description,
        "status": image.status,
        "error": image.error.detail if image.error else None,
        "size": size,
        "bytes": image.bytes,
        "format": image.content_type,
        "colors": " ".join(image.colors),
        "url": image.url,
        "created": f"{image.date_created:%Y-%m-%d %H:%M:%S %Z}",
    }
    made = [("thumb", thumb) for thumb in image.thumbs] + ([("display", image.display)] if image.display else [])
    pictures = [f"{name:<12} {each.size.width}x{each.size.height} {each.url}" for name, each in made]
    tell(image, *(f"{name:<12} {value}" for name, value in shown.items() if value), *pictures, as_json=as_json)


@click.command("open")
@click.argument("key")
@json_option
def open_(key: str, *, as_json: bool) -> None:
    """Open the picture with this KEY in the browser."""
    with connect() as client:
        url = client.get_image(key).url
    tell({"url": url}, url, as_json=as_json)
    click.launch(url)


@click.command()
@click.argument("key")
@click.option("--title", help="The new title.")
@click.option("--description", help="The new description.")
@click.option("--reprocess", is_flag=True, help="Make size, colours and thumbs anew.")
@click.option("--if-match", help="Change it only if this is its etag, as show --json tells.")
@json_option
def edit(  # noqa: PLR0913 - one for each option
    key: str, title: str | None, description: str | None, if_match: str | None, *, reprocess: bool, as_json: bool
) -> None:
    """Change the title or description of the image with this KEY, or have it processed again."""
    if title is None and description is None and not reprocess:
        raise click.UsageError("say what to change: --title, --description or --reprocess")
    with connect() as client:
        image = client.update_image(key, title=title, description=description, reprocess=reprocess, if_match=if_match)
    tell(image, line(image), as_json=as_json)


@click.command()
@click.argument("keys", nargs=-1, required=True)
@click.option("--original", is_flag=True, help="Delete the originals, too, which you have uploaded here.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def rm(keys: tuple[str, ...], *, original: bool, yes: bool, as_json: bool) -> None:
    """Delete the images with these KEYS and their thumbs. The originals stay in S3 unless you give --original."""
    if not yes:
        what = f"{len(keys)} image{'s' * (len(keys) > 1)}" + " with the original files" * original
        click.confirm(f"Delete {what}?", abort=True, err=True)
    with connect() as client:
        for key in keys:
            client.delete_image(key, original=original)
    tell({"deleted": keys}, *(f"deleted {key}" for key in keys), as_json=as_json)
