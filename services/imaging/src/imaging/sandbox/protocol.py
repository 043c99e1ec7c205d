"""The messages of parent and child over their socket: each a length, then JSON or bytes.

A child decodes untrusted pictures and may be compromised: the parent validates all it sends, and nothing is pickled.
"""

import json
import socket
import struct
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, TypeAdapter

from imaging.domain import DISPLAY_SQUARE, DisplayPictures, Rendering, Thumb

_LENGTH = struct.Struct("!Q")
_READY = b"ready"
_MAX_JSON = 64 * 1024
# The most that the headers and tables of a thumb may take, besides its pixels.
_MAX_OVERHEAD = 4096

Colour = Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ThumbHeader(_Message):
    """A thumb or a display picture, whose `size` bytes follow after the message."""

    square: PositiveInt
    width: PositiveInt
    height: PositiveInt
    content_type: Literal["image/jpeg", "image/webp"]
    size: PositiveInt


class Rendered(_Message):
    """All that was made of a picture; the bytes of its thumbs, then of its display picture, follow."""

    kind: Literal["rendered"] = "rendered"
    width: PositiveInt
    height: PositiveInt
    content_type: Annotated[str, Field(pattern=r"^image/[a-z]+$", max_length=32)]
    colors: Annotated[tuple[Colour, ...], Field(min_length=1, max_length=9)]
    placeholder: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]+={0,2}$", max_length=64)]
    thumbs: Annotated[tuple[ThumbHeader, ...], Field(max_length=32)]
    display: ThumbHeader | None = None


class Refused(_Message):
    """Why the picture cannot be rendered: a code of `PictureError`, and a sentence for the picture's owner."""

    kind: Literal["refused"] = "refused"
    code: Literal["unsupported-format", "malformed", "too-large"]
    detail: Annotated[str, Field(max_length=500)]


class Exhausted(_Message):
    """The host has no memory left, though the child used only `share` of what it is allowed."""

    kind: Literal["exhausted"] = "exhausted"
    share: float


Answer = Annotated[Rendered | Refused | Exhausted, Field(discriminator="kind")]
_ANSWER: TypeAdapter[Rendered | Refused | Exhausted] = TypeAdapter(Answer)


class EndedError(Exception):
    """The other side has closed the connection."""


def send_bytes(connection: socket.socket, data: bytes) -> None:
    """Send the length of `data`, then `data`."""
    connection.sendall(_LENGTH.pack(len(data)))
    connection.sendall(data)


def receive_bytes(connection: socket.socket, limit: int) -> bytes:
    """Receive a length, then so many bytes. Raise `EndedError`; `ValueError` if the length is above `limit`."""
    (length,) = _LENGTH.unpack(_receive(connection, _LENGTH.size))
    if length > limit:
        raise ValueError(f"a message of {length} bytes is announced; {limit} are allowed")
    return bytes(_receive(connection, length))


def send_ready(connection: socket.socket) -> None:
    """Tell the parent that this child is ready for pictures."""
    send_bytes(connection, _READY)


def receive_ready(connection: socket.socket) -> None:
    """Wait until the child is ready for pictures. Raise `EndedError`; `ValueError` if it sends something else."""
    if receive_bytes(connection, len(_READY)) != _READY:
        raise ValueError("the child sent something else than that it is ready")


def send_rendering(connection: socket.socket, rendering: Rendering) -> None:
    """Send a rendering with the bytes of its thumbs and its display picture."""
    rendered = Rendered.model_validate(
        {
            "width": rendering.width,
            "height": rendering.height,
            "content_type": rendering.content_type,
            "colors": rendering.colors,
            "placeholder": rendering.placeholder,
            "thumbs": [_header(thumb) for thumb in rendering.thumbs],
            "display": _header(rendering.display) if rendering.display else None,
        }
    )
    send(connection, rendered)
    for thumb in rendering.encoded:
        connection.sendall(thumb.data)


def send(connection: socket.socket, message: BaseModel) -> None:
    """Send `message` as JSON."""
    send_bytes(connection, json.dumps(message.model_dump(mode="json")).encode())


def receive_answer(
    connection: socket.socket, squares: tuple[int, ...], max_side: int, display: DisplayPictures
) -> Rendering | Refused | Exhausted:
    """Receive the answer to a picture with sides up to `max_side`, to be rendered for `squares` and `display`.

    Raise `EndedError`; `ValueError` for an answer that no intact child would send.
    """
    answer = _ANSWER.validate_json(receive_bytes(connection, _MAX_JSON))
    if not isinstance(answer, Rendered):
        return answer
    if max(answer.width, answer.height) > max_side or [thumb.square for thumb in answer.thumbs] != sorted(squares):
        raise ValueError("the answer is about another picture than the one that was sent")
    if answer.display is not None and (display == "none" or answer.display.square != DISPLAY_SQUARE):
        raise ValueError("the answer has a display picture that was not asked for")
    for thumb in filter(None, (*answer.thumbs, answer.display)):
        if max(thumb.width, thumb.height) > thumb.square or thumb.size > 4 * thumb.width * thumb.height + _MAX_OVERHEAD:
            raise ValueError("a thumb has more bytes than its pixels can take")
    return Rendering(
        answer.width,
        answer.height,
        answer.content_type,
        answer.colors,
        answer.placeholder,
        tuple(_thumb(connection, header) for header in answer.thumbs),
        _thumb(connection, answer.display) if answer.display else None,
    )


def _header(thumb: Thumb) -> dict[str, str | int]:
    return {
        "square": thumb.square,
        "width": thumb.width,
        "height": thumb.height,
        "content_type": thumb.content_type,
        "size": len(thumb.data),
    }


def _thumb(connection: socket.socket, header: ThumbHeader) -> Thumb:
    data = bytes(_receive(connection, header.size))
    return Thumb(header.square, header.width, header.height, header.content_type, data)


def _receive(connection: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        got = connection.recv_into(view)
        if not got:
            raise EndedError
        view = view[got:]
    return data
