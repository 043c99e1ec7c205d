"""A storage in memory, for tests of what imaging does with what it finds there."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from imaging.domain import DISPLAY_SQUARE, Job, Original, Thumb
from imaging.errors import OriginalMissingError, StaleJobError, StorageError, ThumbKeyOccupiedError, TooLargeError
from imaging.keys import thumb_key


@dataclass
class MemoryStorage:
    """One bucket. `away` makes every request fail; `deletions` are the jobs whose thumbs were asked to go."""

    max_bytes: int = 1000
    away: bool = False
    deletions: list[Job] = field(default_factory=list)
    _objects: dict[str, tuple[bytes, Job | None]] = field(default_factory=dict)

    def put(self, key: str, data: bytes) -> None:
        self._objects[key] = (data, None)

    def objects(self) -> Mapping[str, bytes]:
        return {key: data for key, (data, _) in self._objects.items()}

    def read(self, job: Job) -> Original:
        self._answer()
        if job.s3_key not in self._objects:
            raise OriginalMissingError
        data, _ = self._objects[job.s3_key]
        if len(data) > self.max_bytes:
            raise TooLargeError(f"The file has {len(data)} bytes; {self.max_bytes} are allowed.")
        return Original(data, '"etag"', hashlib.sha256(data).hexdigest())

    def write_thumb(self, job: Job, thumb: Thumb, source_etag: str, recipe: int) -> None:  # noqa: ARG002
        self._answer()
        key = thumb_key(job.s3_key, thumb.square)
        if key in self._objects:
            _, maker = self._objects[key]
            if maker is None or not job.owns(maker.installation_id):
                raise ThumbKeyOccupiedError(key)
            if maker.image_id == job.image_id and maker.generation > job.generation:
                raise StaleJobError(maker.generation)
        self._objects[key] = (thumb.data, job)

    def delete_display(self, job: Job) -> None:
        self._answer()
        key = thumb_key(job.s3_key, DISPLAY_SQUARE)
        maker = self._thumbs_of(job).get(key)
        if maker is not None and maker.generation <= job.generation:
            del self._objects[key]

    def delete_thumbs(self, job: Job) -> int:
        self._answer()
        self.deletions.append(job)
        thumbs = self._thumbs_of(job)
        for key, maker in thumbs.items():
            if maker.generation <= job.generation:
                del self._objects[key]
        return max((maker.generation for maker in thumbs.values() if maker.generation > job.generation), default=0)

    def delete_original(self, job: Job) -> None:
        self._answer()
        self._objects.pop(job.s3_key, None)

    def _thumbs_of(self, job: Job) -> Mapping[str, Job]:
        return {
            key: maker
            for key, (_, maker) in self._objects.items()
            if maker is not None and maker.image_id == job.image_id and job.owns(maker.installation_id)
        }

    def _answer(self) -> None:
        if self.away:
            raise StorageError("S3 is away")
