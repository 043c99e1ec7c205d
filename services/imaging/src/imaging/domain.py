"""Jobs, originals, thumbs and what is made of a picture. Knows nothing of S3, messages or decoders."""

from dataclasses import dataclass
from typing import Literal

# Which pictures get a display picture: all, those that browsers do not show, or none.
DisplayPictures = Literal["all", "needed", "none"]
# A display picture fits into a square of so many pixels a side, and lies where a thumb for that square would.
DISPLAY_SQUARE = 2048


@dataclass(frozen=True)
class Original:
    """An object as it was read: its bytes, the quoted ETag of the version that was read, the SHA-256 of the bytes."""

    data: bytes
    etag: str
    sha256: str


@dataclass(frozen=True)
class Limits:
    """What a picture may be before it is decoded, and the memory in bytes that decoding it may take."""

    max_bytes: int
    max_pixels: int
    max_side: int
    max_memory: int
    formats: tuple[str, ...]


@dataclass(frozen=True)
class Thumb:
    """An encoded thumb that fits into a square of `square` pixels a side, or a display picture."""

    square: int
    width: int
    height: int
    content_type: str
    data: bytes


@dataclass(frozen=True)
class Rendering:
    """All that is made of a picture; sizes are of the upright picture in pixels, the placeholder is a ThumbHash.

    `display` is what pages show instead of the original, None if they show that.
    """

    width: int
    height: int
    content_type: str
    colors: tuple[str, ...]
    placeholder: str
    thumbs: tuple[Thumb, ...]
    display: Thumb | None = None

    @property
    def encoded(self) -> tuple[Thumb, ...]:
        """The thumbs and, if there is one, the display picture."""
        return self.thumbs if self.display is None else (*self.thumbs, self.display)


@dataclass(frozen=True)
class Job:
    """What catalog asks for: the object, the registration and generation it is for, and which thumbs are ours.

    Each thumb carries the id of the installation that made it; thumbs that carry none are ours if `owns_unmarked`.
    A catalog of an earlier release sends no `installation_id`: it is the only installation, so all thumbs are its own.
    A deletion with `original` deletes the object, too.
    """

    image_id: str
    generation: int
    s3_bucket: str
    s3_key: str
    installation_id: str | None = None
    owns_unmarked: bool = True
    original: bool = False

    def owns(self, installation_id: str | None) -> bool:
        """Return whether this job's installation made a thumb that carries `installation_id`, or None."""
        if installation_id is None or self.installation_id is None:
            return self.owns_unmarked
        return installation_id == self.installation_id
