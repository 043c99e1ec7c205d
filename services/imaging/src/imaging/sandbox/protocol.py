"""What parent and child say to each other over their one socket: a length, then JSON or bytes.

The child has decoded what strangers sent, so nothing that it says is believed before it is checked; nothing is pickled.
"""

import json
import socket
import struct
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, TypeAdapter

from imaging.domain import Rendering, Thumb

_LENGTH = struct.Struct("!Q")
_READY = b"ready"
_MOST_JSON = 64 * 1024
# Of headers and tables that a thumb has besides its pixels.
_MOST_EXTRA = 4096

Colour = Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ThumbSaid(_Said):
    """A thumb whose SIZE bytes follow."""

    square: PositiveInt
    width: PositiveInt
    height: PositiveInt
    content_type: Literal["image/jpeg", "image/webp"]
    size: PositiveInt


class RenderedSaid(_Said):
    """All that was made of a picture."""

    kind: Literal["rendered"] = "rendered"
    width: PositiveInt
    height: PositiveInt
    content_type: Annotated[str, Field(pattern=r"^image/[a-z]+$", max_length=32)]
    colors: Annotated[tuple[Colour, ...], Field(min_length=1, max_length=9)]
    placeholder: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]+={0,2}$", max_length=64)]
    thumbs: Annotated[tuple[ThumbSaid, ...], Field(max_length=32)]


class RefusedSaid(_Said):
    """Why nothing can be made of the picture: one of the codes of `PictureError`, and a sentence for its owner."""

    kind: Literal["refused"] = "refused"
    code: Literal["unsupported-format", "malformed", "too-large"]
    detail: Annotated[str, Field(max_length=500)]


class ExhaustedSaid(_Said):
    """The host has no memory left, though the child had used only SHARE of what it is allowed."""

    kind: Literal["exhausted"] = "exhausted"
    share: float


Said = Annotated[RenderedSaid | RefusedSaid | ExhaustedSaid, Field(discriminator="kind")]
_SAID: TypeAdapter[RenderedSaid | RefusedSaid | ExhaustedSaid] = TypeAdapter(Said)


class EndedError(Exception):
    """The other side is gone."""


def send_bytes(connection: socket.socket, data: bytes) -> None:
    """Send DATA behind its length."""
    connection.sendall(_LENGTH.pack(len(data)))
    connection.sendall(data)


def receive_bytes(connection: socket.socket, most: int) -> bytes:
    """Receive up to MOST bytes with their length before them; raises EndedError, ValueError where it is longer."""
    (length,) = _LENGTH.unpack(_receive(connection, _LENGTH.size))
    if length > most:
        raise ValueError("more was announced than may come")
    return bytes(_receive(connection, length))


def send_ready(connection: socket.socket) -> None:
    """Say that pictures may come."""
    send_bytes(connection, _READY)


def receive_ready(connection: socket.socket) -> None:
    """Wait until pictures may come; raises EndedError, ValueError for anything else."""
    if receive_bytes(connection, len(_READY)) != _READY:
        raise ValueError("something else than that it is ready")


def send_rendering(connection: socket.socket, rendering: Rendering) -> None:
    """Say what was made of the picture, thumbs and all."""
    thumbs = [
        {
            "square": thumb.square,
            "width": thumb.width,
            "height": thumb.height,
            "content_type": thumb.content_type,
            "size": len(thumb.data),
        }
        for thumb in rendering.thumbs
    ]
    said = RenderedSaid.model_validate(
        {
            "width": rendering.width,
            "height": rendering.height,
            "content_type": rendering.content_type,
            "colors": rendering.colors,
            "placeholder": rendering.placeholder,
            "thumbs": thumbs,
        }
    )
    say(connection, said)
    for thumb in rendering.thumbs:
        connection.sendall(thumb.data)


def say(connection: socket.socket, said: BaseModel) -> None:
    """Say something that fits into JSON."""
    send_bytes(connection, json.dumps(said.model_dump(mode="json")).encode())


def hear(connection: socket.socket, squares: tuple[int, ...], max_side: int) -> Rendering | RefusedSaid | ExhaustedSaid:
    """Hear the answer to a picture of sides up to MAX_SIDE, of which thumbs for SQUARES were to be made.

    Raises EndedError, ValueError for what a sane child would never say.
    """
    said = _SAID.validate_json(receive_bytes(connection, _MOST_JSON))
    if not isinstance(said, RenderedSaid):
        return said
    if max(said.width, said.height) > max_side or [thumb.square for thumb in said.thumbs] != sorted(squares):
        raise ValueError("another picture than the one that was to be rendered")
    for thumb in said.thumbs:
        if max(thumb.width, thumb.height) > thumb.square or thumb.size > 4 * thumb.width * thumb.height + _MOST_EXTRA:
            raise ValueError("a thumb that is larger than its pixels")
    return Rendering(
        said.width,
        said.height,
        said.content_type,
        said.colors,
        said.placeholder,
        tuple(
            Thumb(thumb.square, thumb.width, thumb.height, thumb.content_type, bytes(_receive(connection, thumb.size)))
            for thumb in said.thumbs
        ),
    )


def _receive(connection: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        got = connection.recv_into(view)
        if not got:
            raise EndedError
        view = view[got:]
    return data
