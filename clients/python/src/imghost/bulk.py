"""Many files at once: each is uploaded once, whatever happens, and what is there already is not uploaded.

A file is known by its SHA-256: the service finds processed images by it, and the journal those on their way. So a run
that was killed goes on where it was when it is started again.
"""

import hashlib
import os
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Event, Lock
from typing import Literal, Self

from imghost.client import Client
from imghost.errors import ImghostError, NoAnswerError, UploadFailedError
from imghost.journal import Journal
from imghost.models import Image
from imghost.names import is_picture
from imghost.problems import (
    CredentialsError,
    ForbiddenError,
    ImageExistsError,
    ImageNotFoundError,
    TooManyError,
    UnavailableError,
    UploadsOffError,
)

How = Literal["uploaded", "present", "failed"]

STOPPING = (CredentialsError, ForbiddenError, NoAnswerError, TooManyError, UnavailableError, UploadsOffError)
"""What no other file would fare better with: the run ends, and can be started again."""
_NEVER_ARRIVED = "original-missing"
_AHEAD = 4
_LOOKED_AT = 8
_PAUSE_S = 0.5
_PIECE = 1024 * 1024


class StoppedError(ImghostError):
    """The run was stopped while a file was sent."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file. `detail` says why it failed, and `code` is that of the image's error or the problem."""

    path: Path
    how: How
    image: Image | None = None
    code: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Placed:
    """A file that is registered: as an image of this run, or of an earlier one."""

    image: Image
    is_new: bool


def pictures(paths: Iterable[Path], *, recursive: bool) -> Iterator[Path]:
    """Yield the files among `paths`, and the pictures of folders in the order of their names; hidden ones are left out.

    Raise `IsADirectoryError` for a folder unless it is `recursive`, and `FileNotFoundError` for what is not there.
    """
    for path in paths:
        if path.is_dir():
            if not recursive:
                raise IsADirectoryError(path)
            yield from _below(path)
        elif path.exists():
            yield path
        else:
            raise FileNotFoundError(path)


def _below(folder: Path) -> Iterator[Path]:
    """Yield the pictures below a folder. Links to folders are not followed: they may lead back."""
    try:
        paths = sorted(folder.iterdir())
    except FileNotFoundError:  # it was removed meanwhile
        return
    for path in paths:
        if path.is_dir():
            if not path.is_symlink() and not path.name.startswith("."):
                yield from _below(path)
        elif is_picture(path) and path.is_file():
            yield path


class Uploads:
    """Uploads of one run. Used as a context manager, it lets no thread go on after its end.

    With `until_ready` each outcome comes when the image is ready or has failed, else when it is registered. Images are
    put into `collection`, if it is given, in the order of the files. `on_bytes` is called, by several threads, with
    each number of bytes that are done: sent, or there already.
    """

    def __init__(  # noqa: PLR0913 - what a run is made of
        self,
        client: Client,
        journal: Journal,
        *,
        jobs: int,
        until_ready: bool = True,
        collection: str | None = None,
        on_bytes: Callable[[int], None] = lambda done: None,  # noqa: ARG005 - nobody looks
    ) -> None:
        self._client, self._journal = client, journal
        self._jobs, self._until_ready, self._collection = jobs, until_ready, collection
        self._on_bytes = on_bytes
        self._members: set[str] | None = None
        self._pool = ThreadPoolExecutor(jobs, thread_name_prefix="upload")
        self._stopped = Event()
        self._one_by_one = Lock()
        self._locks: dict[str, Lock] = defaultdict(Lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._pool.shutdown(cancel_futures=True)

    def run(self, paths: Iterable[Path]) -> Iterator[Outcome]:
        """Yield the outcome of each file. Raise one of `STOPPING`, or an `UploadFailedError` if S3 does not answer."""
        left = iter(paths)
        placing: deque[tuple[Path, Future[_Placed]]] = deque()
        waiting: deque[tuple[Path, _Placed]] = deque()
        while True:
            for path in islice(left, self._jobs * _AHEAD - len(placing)):
                placing.append((path, self._pool.submit(self._place, path)))
            if not placing and not waiting:
                return
            while placing and placing[0][1].done():
                path, future = placing.popleft()
                outcome = self._joined(path, future)
                if isinstance(outcome, _Placed):
                    waiting.append((path, outcome))
                else:
                    yield outcome
            settled = list(self._settled(waiting))
            yield from settled
            if not settled and (placing or waiting):
                wait([future for _, future in islice(placing, 1)], _PAUSE_S)
                if not placing:
                    time.sleep(_PAUSE_S)

    def _joined(self, path: Path, future: "Future[_Placed]") -> "Outcome | _Placed":
        """Return the outcome of a file that is registered, or what is to be waited for; put it into the collection."""
        try:
            placed = future.result()
            if self._collection is not None:
                self._join(self._collection, placed.image.s3_key)
        except STOPPING:
            raise
        except UploadFailedError as fault:
            if not fault.code:
                raise
            return Outcome(path, "failed", None, fault.code, str(fault))
        except (ImghostError, OSError) as fault:
            return Outcome(path, "failed", None, str(getattr(fault, "code", "")), _said(fault))
        if placed.image.status == "pending" and self._until_ready:
            return placed
        return _outcome(path, placed)

    def _join(self, collection: str, s3_key: str) -> None:
        if self._members is None:
            self._members = {image.s3_key for image in self._client.list_collection_images(collection)}
        if s3_key not in self._members:
            self._client.add_image_to_collection(collection, s3_key)
            self._members.add(s3_key)

    def _settled(self, waiting: "deque[tuple[Path, _Placed]]") -> Iterator[Outcome]:
        """Yield the images that are not pending any more, among those that have waited longest."""
        looked_at = [waiting.popleft() for _ in range(min(_LOOKED_AT, len(waiting)))]
        pending = []
        for path, placed in looked_at:
            try:
                image = self._client.get_image(placed.image.s3_key)
            except ImageNotFoundError as fault:  # somebody has deleted it meanwhile
                yield Outcome(path, "failed", None, fault.code, str(fault))
                continue
            if image.status == "pending":
                pending.append((path, placed))
            else:
                yield _outcome(path, _Placed(image, placed.is_new))
        waiting.extendleft(reversed(pending))

    # --- in a thread of the pool -------------------------------------------------------------------------------------

    def _place(self, path: Path) -> _Placed:
        """Have a file registered; upload it if it is not there."""
        status = path.stat()
        sent = 0

        def show(now: int) -> None:
            nonlocal sent
            self._on_bytes(now - sent)
            sent = now
            if self._stopped.is_set():
                raise StoppedError(f"stopped while {path} was sent")

        sha256 = self._digest(path, status)
        with self._one_by_one:
            lock = self._locks[sha256]
        with lock:  # the same content twice in a run is uploaded once
            placed = self._known(sha256)
            placed = placed or self._upload(path, status, sha256, show)
        show(status.st_size)
        return placed

    def _digest(self, path: Path, status: os.stat_result) -> str:
        known = self._journal.digest(path, status)
        if known is not None:
            return known
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                if self._stopped.is_set():
                    raise StoppedError(f"stopped while {path} was read")
                digest.update(piece)
        self._journal.keep_digest(path, status, digest.hexdigest())
        return digest.hexdigest()

    def _known(self, sha256: str) -> _Placed | None:
        """Return the image with this content, if there is one; register what was sent and not registered."""
        entry = self._journal.find(sha256)
        if entry is not None and entry.stage == "sent":
            return self._register(sha256, entry.s3_key)
        if entry is not None and entry.stage == "registered":
            image = self._found(entry.s3_key)
            if image is not None:
                return _Placed(image, is_new=False)
            self._journal.forget(sha256)
        image = next(self._client.list_images(sha256=sha256, page_size=1), None)
        return None if image is None else _Placed(image, is_new=False)

    def _found(self, s3_key: str) -> Image | None:
        """Return an image, unless it is not there, or its original is not."""
        try:
            image = self._client.get_image(s3_key)
        except ImageNotFoundError:
            return None
        return None if image.error is not None and image.error.code == _NEVER_ARRIVED else image

    def _upload(self, path: Path, status: os.stat_result, sha256: str, show: Callable[[int], None]) -> _Placed:
        entry = self._journal.find(sha256)
        if entry is not None and entry.stage == "sending" and entry.is_fresh:
            form = entry.form  # the same place, so that a second upload leaves no second original
        else:
            form = self._client.sign_post(path.name)
            self._journal.begin(sha256, form)
        self._client.send_form(form, path, progress=show)
        now = path.stat()
        if (now.st_size, now.st_mtime_ns) != (status.st_size, status.st_mtime_ns):
            self._journal.forget(sha256)
            raise UploadFailedError("the file changed while it was sent", "file-changed")
        self._journal.advance(sha256, "sent")
        return self._register(sha256, form.fields["key"])

    def _register(self, sha256: str, s3_key: str) -> _Placed:
        try:
            image = self._client.create_image(s3_key)
        except ImageExistsError:  # registered by the run that was killed before it could keep that
            image = self._client.get_image(s3_key)
        self._journal.advance(sha256, "registered")
        return _Placed(image, is_new=True)


def _outcome(path: Path, placed: _Placed) -> Outcome:
    image = placed.image
    if image.error is not None:
        return Outcome(path, "failed", image, image.error.code, image.error.detail)
    return Outcome(path, "uploaded" if placed.is_new else "present", image)


def _said(fault: Exception) -> str:
    return (fault.strerror or str(fault)) if isinstance(fault, OSError) else str(fault)
