"""Collections: list, show, make, change and delete them, and put images into them."""

from itertools import islice

import click

from imghost.cli.commands import Commands, connect, json_option, tell
from imghost.cli.images import print_all
from imghost.models import UNCHANGED, Collection


@click.group(cls=Commands)
def collections() -> None:
    """Named lists of your images."""


def _line(collection: Collection) -> str:
    return f"{collection.date_created:%Y-%m-%d}  {collection.name}  {collection.title}".rstrip()


@collections.command("ls")
@json_option
def ls(*, as_json: bool) -> None:
    """List your collections, newest first."""
    with connect() as client:
        found = list(client.list_collections())
    tell(found, *map(_line, found), as_json=as_json)


@collections.command()
@click.argument("name")
@click.option("--limit", type=click.IntRange(1), help="Show at most this many.")
@json_option
def show(name: str, limit: int | None, *, as_json: bool) -> None:
    """List the images of the collection NAME in its order."""
    with connect() as client:
        images = client.list_collection_images(name, page_size=min(limit, 1000) if limit else None)
        print_all(islice(images, limit), as_json=as_json)


@collections.command()
@click.argument("name")
@click.option("--title", help="The title.")
@click.option("--description", help="The description.")
@json_option
def create(name: str, title: str | None, description: str | None, *, as_json: bool) -> None:
    """Make the collection NAME."""
    with connect() as client:
        made: Collection = client.create_collection(name)
        if title is not None or description is not None:
            made = client.update_collection(name, title=title, description=description)
    tell(made, f"made collection {name}", as_json=as_json)


@collections.command()
@click.argument("name")
@click.option("--name", "new_name", help="The new name.")
@click.option("--title", help="The new title.")
@click.option("--description", help="The new description.")
@click.option("--cover", metavar="KEY", help="The key of the image that stands for it; empty for none.")
@json_option
def edit(  # noqa: PLR0913 - one for each option
    name: str,
    new_name: str | None,
    title: str | None,
    description: str | None,
    cover: str | None,
    *,
    as_json: bool,
) -> None:
    """Rename the collection NAME, or change its title, description or cover."""
    if new_name is None and title is None and description is None and cover is None:
        raise click.UsageError("say what to change: --name, --title, --description or --cover")
    with connect() as client:
        changed = client.update_collection(
            name,
            new_name=new_name,
            title=title,
            description=description,
            cover=UNCHANGED if cover is None else cover or None,
        )
    tell(changed, _line(changed), as_json=as_json)


@collections.command()
@click.argument("name")
@click.argument("keys", nargs=-1, required=True)
@click.option("--after", metavar="KEY", help="Put them behind this image; empty for the first place.")
@json_option
def add(name: str, keys: tuple[str, ...], after: str | None, *, as_json: bool) -> None:
    """Put the images with these KEYS into the collection NAME, or move them there."""
    with connect() as client:
        for key in keys:
            client.add_image_to_collection(name, key, after=UNCHANGED if after is None else after or None)
            after = key if after is not None else None
    tell({"name": name, "added": keys}, *(f"added {key}" for key in keys), as_json=as_json)


@collections.command()
@click.argument("name")
@click.argument("keys", nargs=-1, required=True)
@json_option
def remove(name: str, keys: tuple[str, ...], *, as_json: bool) -> None:
    """Take the images with these KEYS out of the collection NAME."""
    with connect() as client:
        for key in keys:
            client.remove_image_from_collection(name, key)
    tell({"name": name, "removed": keys}, *(f"removed {key}" for key in keys), as_json=as_json)


@collections.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def rm(name: str, *, yes: bool, as_json: bool) -> None:
    """Delete the collection NAME. Its images stay."""
    if not yes:
        click.confirm(f"Delete the collection {name}?", abort=True, err=True)
    with connect() as client:
        client.delete_collection(name)
    tell({"deleted": name}, f"deleted collection {name}", as_json=as_json)
