"""The spool: files on their way from a client to S3, on a bounded part of a disk, and gone whatever happens.

So a slow client holds a connection and some bytes of disk, but no thread of a service and no memory.
"""

import hashlib
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent
import structlog

from gateway.errors import OverloadedError, UnsupportedFormatError
from gateway.formats import ENOUGH, content_type_of
from gateway.room import Room

log = structlog.get_logger(__name__)

_PART = 64 * 1024


class SpooledFile:
    """A file in the spool, to which parts are added, and which is read as a whole afterwards."""

    def __init__(self, room: Room, user_id: str, folder: Path) -> None:
        self._room = room
        self._user_id = user_id
        # Without a name: nothing is left of it, however this process ends.
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - closed by `close`
        self._digest = hashlib.sha256()
        self._beginning = b""
        self.size = 0

    @property
    def sha256(self) -> str:
        """The SHA-256 of what was added, in hexadecimal."""
        return self._digest.hexdigest()

    def add(self, part: bytes) -> None:
        """Add `part`. Raise `UnsupportedFormatError` as soon as it is clear that the file is no picture.

        Raise `OverloadedError` if the spool, or the part of this user of it, is full.
        """
        self._room.take(self._user_id, len(part))
        self.size += len(part)
        if len(self._beginning) < ENOUGH:
            self._beginning += part[: ENOUGH - len(self._beginning)]
            if len(self._beginning) == ENOUGH:
                self.require_picture()
        self._digest.update(part)
        try:
            # Such parts go into the memory of the system, which writes them to the disk by and by.
            rest = memoryview(part)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as fault:
            log.error("spool cannot be written", error=str(fault))  # noqa: TRY400 - not ours
            raise OverloadedError from fault

    def require_picture(self) -> str:
        """Return the content type of the file by what it begins with. Raise `UnsupportedFormatError` for no picture."""
        content_type = content_type_of(self._beginning)
        if content_type is None:
            raise UnsupportedFormatError
        return content_type

    def parts(self) -> Generator[bytes]:
        """Yield the whole file in parts. Others get a turn after each."""
        self._file.seek(0)
        while part := self._file.read(_PART):
            yield part
            gevent.sleep(0)

    def close(self) -> None:
        """Free the disk, and the room that was taken."""
        self._file.close()
        self._room.give_back(self._user_id, self.size)


class Spool:
    """Files in `folder`, with `most` bytes together in this process."""

    def __init__(self, folder: Path, most: int) -> None:
        self._folder = folder
        self._room = Room(most)

    @contextmanager
    def file(self, user_id: str) -> Iterator[SpooledFile]:
        """Yield an empty file for a user, which is gone afterwards. Raise `OverloadedError` if the disk is full."""
        try:
            file = SpooledFile(self._room, user_id, self._folder)
        except OSError as fault:
            log.error("spool cannot be written", folder=str(self._folder), error=str(fault))  # noqa: TRY400 - not ours
            raise OverloadedError from fault
        try:
            yield file
        finally:
            file.close()
