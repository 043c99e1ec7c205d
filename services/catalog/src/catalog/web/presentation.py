"""How the resources of catalog look on the wire, in the order of members that the contract shows.

Whoever changes that has to raise `tags.FORMAT`.
"""

from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from catalog.buckets import Buckets
from catalog.domain import Collection, Image, Member, Stats, Thumb
from catalog.keys import thumb_key


def collection_uri(name: str) -> str:
    """Return the path of a collection at the gateway."""
    return f"/api/collections/{quote(name, safe='')}"


def public_image(image: Image, buckets: Buckets) -> dict[str, Any]:
    """Return the public form of `image`."""
    return _public_image(image, buckets, quote(image.s3_key, safe="/"))


def _public_image(image: Image, buckets: Buckets, quoted_key: str) -> dict[str, Any]:
    """Return the public form of `image`; its key is quoted once, which is what takes the time.

    From the second generation of a key on, addresses tell it, so that no cache shows an earlier one for it.
    """
    picture, base_url = image.picture, buckets.base_url(image.s3_bucket)
    version = f"?v={image.shown_generation}" if image.shown_generation > 1 else ""
    thumbs = sorted(picture.thumbs, key=lambda thumb: thumb.square) if picture else []
    return {
        "type": "image",
        "url": base_url + quoted_key + version,
        "s3_key": image.s3_key,
        "title": image.title,
        "description": image.description,
        "size": {"width": picture.width, "height": picture.height} if picture else None,
        "colors": list(picture.colors) if picture else [],
        "thumbs": [_thumb(thumb, base_url, quoted_key, version) for thumb in thumbs],
        "display": _thumb(picture.display, base_url, quoted_key, version) if picture and picture.display else None,
        "status": image.status,
        "placeholder": picture.placeholder if picture else None,
        "date_created": image.date_created.isoformat(),
    }


def _thumb(thumb: Thumb, base_url: str, quoted_key: str, version: str) -> dict[str, Any]:
    return {
        "size": {"width": thumb.width, "height": thumb.height},
        "url": base_url + thumb_key(quoted_key, thumb.square) + version,
    }


def private_image(image: Image, buckets: Buckets, username: str) -> dict[str, Any]:
    """Return the private form of `image`, whose owner is `username`."""
    quoted_key = quote(image.s3_key, safe="/")
    return {
        **_public_image(image, buckets, quoted_key),
        "s3_bucket": image.s3_bucket,
        "user": username,
        "uri": f"/api/images/{quoted_key}",
        "content_type": image.picture.content_type if image.picture else None,
        "bytes": image.picture.bytes if image.picture else None,
        "sha256": image.picture.sha256 if image.picture else None,
        "uploaded": image.upload_of is not None,
        "error": {"code": image.error.code, "detail": image.error.detail} if image.error else None,
        "date_updated": image.date_updated.isoformat(),
    }


def public_collection(collection: Collection) -> dict[str, Any]:
    """Return the public form of `collection`, without images; what its owner has not set is left out."""
    described = {"title": collection.title, "description": collection.description, "cover": collection.cover}
    return {"type": "collection", "name": collection.name, **{name: text for name, text in described.items() if text}}


def dated_image(image: Image, buckets: Buckets) -> dict[str, Any]:
    """Return the public form of `image`, with when it was changed for the last time."""
    return {**public_image(image, buckets), "date_updated": image.date_updated.isoformat()}


def public_member(collection: Collection, member: Member, buckets: Buckets) -> dict[str, Any]:
    """Return the public form of an image of `collection`, with the keys of those beside it."""
    return {
        "collection": public_collection(collection),
        "image": public_image(member.image, buckets),
        "previous": member.previous,
        "next": member.next,
    }


def private_collection(collection: Collection, username: str) -> dict[str, Any]:
    """Return the private form of `collection`, whose owner is `username`, without images."""
    return {
        "type": "collection",
        "name": collection.name,
        "user": username,
        "uri": collection_uri(collection.name),
        "title": collection.title,
        "description": collection.description,
        "cover": collection.cover,
        "date_created": collection.date_created.isoformat(),
    }


def stats(found: Stats) -> dict[str, Any]:
    """Return how many images a user has, by status and by format."""
    return {
        "type": "stats",
        "images": {"pending": found.pending, "ready": found.ready, "failed": found.failed},
        "bytes": sum(each.bytes for each in found.formats),
        "formats": [asdict(each) for each in found.formats],
    }
