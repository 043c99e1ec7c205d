"""What a reconciliation may find, and how it tells right from wrong. Pure: nothing here reads database or S3."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from catalog.domain import Image, Installation, Thumb
from catalog.keys import thumb_key
from catalog.stored_objects import StoredThumb


@dataclass(frozen=True)
class Stuck:
    """A key whose jobs get no further by themselves."""

    kind: ClassVar[str] = "stuck"
    key: str


@dataclass(frozen=True)
class MissingThumbs:
    """A ready image, not all of whose thumbs lie where it shows them."""

    kind: ClassVar[str] = "missing-thumbs"
    key: str
    image_id: str
    generation: int


@dataclass(frozen=True)
class DifferingThumbs:
    """A ready image with a thumb of another generation or source than it records: catalog and bucket do not match.

    `newest` is the highest generation that the metadata of its thumbs says.
    """

    kind: ClassVar[str] = "differing-thumbs"
    key: str
    image_id: str
    generation: int
    newest: int


@dataclass(frozen=True)
class OrphanThumb:
    """A thumb that this service made and no image shows; an unmarked one does not say which installation made it."""

    kind: ClassVar[str] = "thumb-of-nothing"
    key: str
    is_marked: bool = True


Finding = Stuck | MissingThumbs | DifferingThumbs | OrphanThumb


@dataclass(frozen=True)
class Batch:
    """What was found among `looked_at` images or objects.

    `kept` counts the thumbs that an image shows and that are its own, `foreign` those of other installations, by id.
    """

    looked_at: int
    findings: Sequence[Finding]
    kept: int = 0
    foreign: Mapping[str, int] = field(default_factory=dict)


class Outcome(StrEnum):
    """What became of a finding; what is skipped is still wrong, and was left unchanged."""

    MENDED = "mended"
    ALREADY_FINE = "well"
    SKIPPED = "left"


def is_orphan(found: StoredThumb, square: int, image: Image | None, *, has_jobs: bool) -> bool:
    """Return whether no image shows `found`, a thumb of this installation at the thumb key for `square` of `image`.

    False while a job is open or `image` is pending: imaging may be about to write or delete the thumb.
    """
    if found.image_id is None or has_jobs or (image is not None and image.status == "pending"):
        return False
    return image is None or image.image_id != found.image_id or not shows(image, square)


def shows(image: Image, square: int) -> bool:
    """Return whether `image` shows a thumb for `square`."""
    return any(thumb.square == square for thumb in shown_thumbs(image))


def shown_thumbs(image: Image) -> Sequence[Thumb]:
    """Return the thumbs that `image` shows, of which a display picture is one: those of a ready image."""
    return image.picture.derived if image.status == "ready" and image.picture is not None else ()


def lacks_thumbs(image: Image, found: Mapping[str, StoredThumb]) -> bool:
    """Return whether a thumb that `image` shows is not its own, or not among those `found` at their keys."""
    there = (found.get(thumb_key(image.s3_key, thumb.square)) for thumb in shown_thumbs(image))
    return any(thumb is None or thumb.image_id != image.image_id for thumb in there)


def fault_of(
    image: Image, found: Mapping[str, StoredThumb], installation: Installation
) -> MissingThumbs | DifferingThumbs | None:
    """Return what is wrong with the thumbs of `image` among those `found`; None if nothing is, or can be mended."""
    there = [
        thumb
        for shown in shown_thumbs(image)
        if (thumb := found.get(thumb_key(image.s3_key, shown.square))) is not None
    ]
    if count_foreign(there, installation):
        return None  # imaging would not write over them, and the image would fail
    if lacks_thumbs(image, found):
        return MissingThumbs(image.s3_key, image.image_id, image.generation)
    sources = {(thumb.generation, thumb.source_etag) for thumb in there}
    if image.picture is None or sources <= {(image.generation, image.picture.source_etag.strip('"'))}:
        return None
    newest = max(thumb.generation for thumb in there)
    return DifferingThumbs(image.s3_key, image.image_id, image.generation, newest)


def count_foreign(found: Iterable[StoredThumb], installation: Installation) -> Counter[str]:
    """Count the thumbs of other installations, by their ids."""
    foreign = (thumb for thumb in found if thumb.image_id is not None and not installation.owns(thumb.installation_id))
    return Counter(thumb.installation_id or "unmarked" for thumb in foreign)


def is_same(finding: MissingThumbs | DifferingThumbs, image: Image | None) -> bool:
    """Return whether `image` is the one of `finding`, unchanged since."""
    expected = (finding.image_id, finding.generation, "ready")
    return image is not None and (image.image_id, image.generation, image.status) == expected
