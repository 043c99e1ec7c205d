"""Forms that put a file into S3, sent piece by piece, so that a large file is never in memory as a whole."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import BinaryIO

import requests
from urllib3.filepost import encode_multipart_formdata

from imghost.errors import FileChangedError, UploadFailedError
from imghost.models import SignedPost
from imghost.transport import NoCredentials

STALL_S = 60.0
"""After this many seconds without progress an upload is given up."""
_ATTEMPTS = 3
_PAUSE_S = 1.0
_PIECE = 65536

Progress = Callable[[int], None]


class FormBody:
    """The body of a form: `fields`, then `size` bytes of a file. `progress` gets how many of them were sent."""

    def __init__(self, fields: Mapping[str, str], file: BinaryIO, size: int, progress: Progress | None) -> None:
        whole, self.content_type = encode_multipart_formdata([*fields.items(), ("file", ("file", b""))])
        end = b"\r\n--" + self.content_type.rpartition("boundary=")[2].encode() + b"--\r\n"
        self._head, self._end = whole.removesuffix(end), end
        self._file, self._size, self._progress = file, size, progress
        self._pieces = self._read()

    def __len__(self) -> int:
        return len(self._head) + self._size + len(self._end)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def _read(self) -> Iterator[bytes]:
        yield self._head
        self._file.seek(0)
        left = self._size
        while left:
            piece = self._file.read(min(_PIECE, left))
            if not piece:
                raise FileChangedError("the file became shorter while it was sent")
            left -= len(piece)
            yield piece
            if self._progress is not None:
                self._progress(self._size - left)
        yield self._end


def send(
    session: requests.Session,
    form: SignedPost,
    file: BinaryIO,
    size: int,
    progress: Progress | None = None,
) -> None:
    """Send a form to S3. A lost answer is no harm: the same form puts the same object in the same place.

    Raise `UploadFailedError`, and `FileChangedError` if the file is shorter than `size`.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        body = FormBody(form.fields, file, size, progress)
        try:
            response = session.post(
                form.url,
                data=body,
                headers={"Content-Type": body.content_type},
                auth=NoCredentials(),
                timeout=(STALL_S, STALL_S),
                allow_redirects=False,
            )
        except requests.RequestException as fault:
            if attempt == _ATTEMPTS:
                raise UploadFailedError(f"S3 does not answer: {type(fault).__name__}") from fault
        else:
            if response.status_code < HTTPStatus.MULTIPLE_CHOICES:
                return
            if response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR or attempt == _ATTEMPTS:
                raise _refusal(response)
        time.sleep(attempt * _PAUSE_S)


def _refusal(response: requests.Response) -> UploadFailedError:
    code = re.search(r"<Code>(\w+)</Code>", response.text)
    message = re.search(r"<Message>([^<]*)</Message>", response.text)
    said = message[1] if message else f"status {response.status_code}"
    return UploadFailedError(f"S3 refuses the file: {said}", code[1] if code else "")
