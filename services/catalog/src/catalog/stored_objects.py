"""What lies in S3."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class StoredObject:
    """An object as a bucket lists it, of `size` bytes; an archived one cannot be read without waiting for hours."""

    key: str
    size: int
    is_archived: bool = False


@dataclass(frozen=True)
class StoredThumb:
    """An object at the key of a thumb, and what its metadata says.

    `image_id` is None if it has none of our metadata: then it is somebody else's object. `generation` and `source_etag`
    are of the work that made the thumb, `installation_id` of the installation, None if an earlier release made it.
    """

    key: str
    image_id: str | None
    etag: str
    date_modified: datetime
    generation: int = 0
    source_etag: str = ""
    installation_id: str | None = None
