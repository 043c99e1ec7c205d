"""What the use cases need of the world outside."""

from typing import Protocol

from imaging.domain import Job, Original, Thumb


class Storage(Protocol):
    """Originals, and thumbs beside them, of which a display picture is one.

    A thumb belongs to one image, generation and installation.
    """

    def read(self, job: Job) -> Original:
        """Return the whole original of `job`, all of one version.

        Raise `OriginalMissingError`, `OriginalUnreadableError` or `TooLargeError`, which are final;
        `OriginalDeniedError`, which may be; `StorageError`.
        """

    def write_thumb(self, job: Job, thumb: Thumb, source_etag: str, recipe: int) -> None:
        """Write `thumb` at its key, over nothing or over a thumb of this installation that is not newer.

        Raise `ThumbKeyOccupiedError` if something else lies there, `StaleJobError` if a thumb of a newer generation of
        the image does; `StorageError`.
        """

    def delete_display(self, job: Job) -> None:
        """Delete the display picture of the image of `job`, if there is one that is not newer. Raise `StorageError`."""

    def delete_thumbs(self, job: Job) -> int:
        """Delete the thumbs of the image of `job` up to its generation, and nothing else. Raise `StorageError`.

        Return the newest generation among the thumbs of the image that are left, 0 if none is.
        """

    def delete_original(self, job: Job) -> None:
        """Delete the original of `job`; it is gone already if this is done again. Raise `StorageError`."""
