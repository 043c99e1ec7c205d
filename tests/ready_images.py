"""Images and collections as they are once imaging is done, written into catalog's database: for tests without S3."""

import uuid
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from catalog.adapters.rows import row_from_image
from catalog.adapters.tables import collections, images, memberships
from catalog.domain import Collection, Image, Picture, Thumb
from chassis.clock import now

USER = str(uuid.uuid4())


def ready_image(key: str, title: str = "", description: str = "", size: tuple[int, int] = (1920, 1080)) -> Image:
    """Return a ready image of `size`."""
    width, height = size
    scales = {square: min(1, square / max(size)) for square in (64, 128, 256, 512)}
    thumbs = tuple(
        Thumb(square, max(1, round(width * scale)), max(1, round(height * scale))) for square, scale in scales.items()
    )
    colors = ("#6c5378", "#8e6274", "#efa873")
    picture = Picture(width, height, colors, thumbs, "XkgGLYZ3eId4h4hwhwiJhoh1kFkH", "image/jpeg", 482133, "etag", 1)
    image_id, moment = str(uuid.uuid4()), now()
    return Image(image_id, USER, "imghost", key, title, description, "ready", 1, moment, moment, picture=picture)


def pending_image(key: str) -> Image:
    """Return an image that imaging has not looked at yet."""
    return replace(ready_image(key), status="pending", picture=None)


def changed_at(image: Image, moment: datetime) -> Image:
    """Return `image` as if it had been changed at `moment` for the last time."""
    return replace(image, date_updated=moment)


def fill(database: Path, collection: Collection, members: Sequence[Image], others: Sequence[Image] = ()) -> None:
    """Put `collection` with `members`, and `others` beside it, into catalog's SQLite file `database`."""
    engine = sa.create_engine(f"sqlite:///{database}")
    with engine.begin() as connection:
        row = {name: value for name, value in asdict(collection).items() if name in collections.c}
        connection.execute(collections.insert(), row)
        connection.execute(images.insert(), [row_from_image(image) for image in (*members, *others)])
        rows = [
            {"collection_id": collection.collection_id, "position": position, "image_id": image.image_id}
            for position, image in enumerate(members, 1)
        ]
        connection.execute(memberships.insert(), rows)
    engine.dispose()


def collection(name: str, title: str = "", description: str = "", cover: Image | None = None) -> Collection:
    """Return a collection."""
    cover_id = cover.image_id if cover else None
    return Collection(str(uuid.uuid4()), USER, name, now(), title, description, cover_id)
