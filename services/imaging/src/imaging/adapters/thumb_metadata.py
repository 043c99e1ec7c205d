"""The metadata of a thumb in S3: whose it is and what it was made from. An object without it is never touched."""

from dataclasses import dataclass

from chassis.s3 import client as s3
from chassis.s3.client import Found
from imaging.domain import Job

IMAGE_ID = "imghost-image-id"
_GENERATION = "imghost-generation"
_RECIPE = "imghost-recipe"
_SOURCE_ETAG = "imghost-etag"
_INSTALLATION_ID = "imghost-installation"
# Greater numbers count as none: catalog continues above the generation that is found, and nonsense would use up all.
_MAX_GENERATION = 2**30


@dataclass(frozen=True)
class StoredThumb:
    """An object at the key of a thumb: its ETag, and what its metadata says; `image_id` is None if it is not ours."""

    image_id: str | None
    generation: int
    installation_id: str | None
    etag: str

    def is_of(self, job: Job) -> bool:
        """Return whether this is a thumb of the image of `job`, of whichever generation."""
        return self.image_id == job.image_id and job.owns(self.installation_id)


def write(job: Job, source_etag: str, recipe: int) -> dict[str, str]:
    """Return the metadata of a thumb that `job` makes."""
    metadata = {
        IMAGE_ID: job.image_id,
        _GENERATION: str(job.generation),
        _RECIPE: str(recipe),
        _SOURCE_ETAG: s3.bare(source_etag),
    }
    return metadata if job.installation_id is None else {**metadata, _INSTALLATION_ID: job.installation_id}


def read(found: Found) -> StoredThumb:
    """Return what the metadata of an object says; a generation that makes no sense counts as 0."""
    text = found.metadata.get(_GENERATION, "")
    number = int(text) if text.isdecimal() and len(text) <= len(str(_MAX_GENERATION)) else 0
    return StoredThumb(
        found.metadata.get(IMAGE_ID),
        number if number <= _MAX_GENERATION else 0,
        found.metadata.get(_INSTALLATION_ID),
        found.etag,
    )
