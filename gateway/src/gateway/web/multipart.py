"""Forms with a file (RFC 7578): the file goes into the spool while it comes, the few short fields into memory."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData

from chassis.web.problems import FieldFault, InvalidFieldsError
from gateway.errors import MalformedMultipartError, NoMultipartError
from gateway.spool import SpooledFile

# All parts together without the file, with their heads.
MOST_BYTES_OF_FIELDS = 64 * 1024
_MOST_PARTS = 20
_MOST_BUFFERED = 256 * 1024
# RFC 2046 (5.1.1) allows 70.
_LONGEST_BOUNDARY = 200
_FILE = "file"


@dataclass
class Form:
    """What a form has beside the content of its file; the `filename` is None while there was no file."""

    filename: str | None = None
    fields: dict[str, str] = field(default_factory=dict)


def boundary_of(request: Request) -> bytes:
    """Return the boundary of a form. Raise `NoMultipartError` if `request` has none."""
    boundary = request.mimetype_params.get("boundary", "")
    if (
        request.mimetype != "multipart/form-data"
        or not 1 <= len(boundary) <= _LONGEST_BOUNDARY
        or not boundary.isascii()
    ):
        raise NoMultipartError
    return boundary.encode()


def read(boundary: bytes, parts: Iterable[bytes], names: Iterable[str], file: SpooledFile) -> Form:
    """Return the form in `parts`, whose fields are called as `names` say, and add its file to `file`.

    Raise `MalformedMultipartError`, or `InvalidFieldsError` for a field or a file that is unknown or comes twice, and
    whatever `SpooledFile.add` raises.
    """
    reader = _Reader(frozenset(names), file)
    decoder = MultipartDecoder(boundary, _MOST_BUFFERED, max_parts=_MOST_PARTS)
    try:
        for part in parts:
            decoder.receive_data(part)
            reader.take_all(decoder)
        decoder.receive_data(None)
        reader.take_all(decoder)
        return reader.form()
    except (ValueError, RequestEntityTooLarge):  # ValueError: also what is not UTF-8
        raise MalformedMultipartError from None


class _Reader:
    """Takes the events of a decoder."""

    def __init__(self, names: frozenset[str], file: SpooledFile) -> None:
        self._names = names
        self._file = file
        self._form = Form()
        self._texts: dict[str, bytearray] = {}
        self._size = 0
        self._name: str | None = None  # of the field whose text comes; None while the file does

    def take_all(self, decoder: MultipartDecoder) -> None:
        while not isinstance(event := decoder.next_event(), NeedData):
            self._take(event)
            if isinstance(event, Epilogue):
                return

    def form(self) -> Form:
        self._form.fields = {name: text.decode() for name, text in self._texts.items()}
        return self._form

    def _take(self, event: Event) -> None:
        match event:
            case File():
                self._begin_file(event)
            case Field():
                self._begin_field(event.name)
            case Data():
                self._take_data(event.data)

    def _take_data(self, data: bytes) -> None:
        if self._name is not None:
            self._count(len(data))
            self._texts[self._name] += data
        elif data:
            self._file.add(data)

    def _begin_file(self, event: File) -> None:
        self._count(sum(len(name) + len(value) for name, value in event.headers))
        if event.name != _FILE:
            raise _fault(event.name, "unknown-field", f"There is no such file here; it is called {_FILE}.")
        if self._form.filename is not None:
            raise _fault(_FILE, "given-twice", "Send one file in a request.")
        self._form.filename = event.filename
        self._name = None

    def _begin_field(self, name: str | None) -> None:
        if name not in self._names:
            known = ", ".join(sorted({*self._names, _FILE}))
            raise _fault(name or "", "unknown-field", f"There is no such field here; there are: {known}.")
        if name in self._texts:
            raise _fault(name, "given-twice", "Give it once.")
        self._name = name
        self._texts[name] = bytearray()

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > MOST_BYTES_OF_FIELDS:
            raise RequestEntityTooLarge


def _fault(name: str, code: str, detail: str) -> InvalidFieldsError:
    pointer = "/" + name.replace("~", "~0").replace("/", "~1")
    return InvalidFieldsError([FieldFault(pointer=pointer, code=code, detail=detail)])
