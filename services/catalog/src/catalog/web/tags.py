"""Entity tags of images and collections, computed from what their representations depend on.

So a client that has the current representation is answered without making it, or loading what it shows.
"""

import hashlib
import json

from catalog.buckets import Buckets
from catalog.domain import Collection, ImageVersion
from catalog.places import Place
from chassis.web import etags

# To be raised with each release that presents an image or a collection in another way.
FORMAT = 4


def public_image(version: ImageVersion, buckets: Buckets) -> str:
    """Return the tag of the public form of an image."""
    return etags.of_parts(FORMAT, "public", *_parts(version, buckets))


def private_image(version: ImageVersion, buckets: Buckets, username: str) -> str:
    """Return the tag of the private form of an image, whose owner is `username`."""
    return etags.of_parts(FORMAT, "private", username, *_parts(version, buckets))


def collection(collection: Collection, count: int) -> str:
    """Return a text for the state of `collection`, which has `count` images, whatever becomes of the images themselves.

    Of the states with one revision each has fewer images than the one before: some of them were deleted.
    """
    return etags.of_parts(collection.collection_id, collection.revision, count)[:16]


class PageDigest:
    """Computes the tag of a page of members, which are added to it one by one."""

    def __init__(self, *parts: str | int | None) -> None:
        """Begin a page that depends on `parts`, beside its members."""
        self._digest = hashlib.sha256()
        self._add(FORMAT, *parts)

    def add(self, place: Place, version: ImageVersion, buckets: Buckets) -> None:
        """Add the next member."""
        self._add(*place, *_parts(version, buckets))

    def tag(self, limit: int | None) -> str:
        """Return the tag of the page if it ends here; `limit` is that of the link to the next page, None without."""
        whole = self._digest.copy()
        whole.update(json.dumps(limit).encode())
        return whole.hexdigest()[:32]

    def _add(self, *parts: str | int | None) -> None:
        self._digest.update(json.dumps(parts).encode())


def _parts(version: ImageVersion, buckets: Buckets) -> tuple[str, ...]:
    return version.image_id, version.date_updated.isoformat(), buckets.base_url(version.s3_bucket)
