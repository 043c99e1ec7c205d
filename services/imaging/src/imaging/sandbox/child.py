"""The child: renders pictures that arrive on its socket, one after the other, until the socket is closed.

It is started by exec with a clean environment: a fork would inherit the credentials in the parent's memory.
"""

import argparse
import io
import json
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import get_args

from PIL import AvifImagePlugin, Image
from pillow_heif import options as heif_options

from imaging.domain import DisplayPictures, Limits, Rendering
from imaging.errors import PictureError
from imaging.pipeline import render
from imaging.sandbox import confinement, protocol
from imaging.sandbox.confinement import Memory

# A decode error above this share of the memory limit counts as a lack of memory: few decoders say so themselves.
_NEARLY_ALL = 0.8


def main() -> None:
    """Serve pictures on standard input, which is a socket."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--limits", type=json.loads, required=True)
    parser.add_argument("--squares", type=json.loads, required=True)
    parser.add_argument("--display", choices=get_args(DisplayPictures), required=True)
    parser.add_argument("--cpu-s", type=float, required=True)
    arguments = parser.parse_args()
    limits = Limits(**{**arguments.limits, "formats": tuple(arguments.limits["formats"])})
    squares = tuple(arguments.squares)

    connection = socket.socket(fileno=sys.stdin.fileno())
    # Threads would make costs vary from run to run; libde265 makes one all the same.
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    heif_options.DECODE_THREADS = 0
    # The rehearsed pictures are small, a HEIC being coded as 64 x 64 at least: these limits let them pass, whatever the
    # limits for pictures of users.
    rehearse(replace(limits, max_bytes=2**20, max_pixels=2**12, max_side=2**10), squares)
    memory = Memory(limits.max_memory)
    confinement.confine()
    memory.bound()
    rendered = partial(render, limits=limits, squares=squares, display=arguments.display)
    protocol.send_ready(connection)
    while True:
        try:
            data = protocol.receive_bytes(connection, limits.max_bytes)
        except protocol.EndedError:
            return
        confinement.begin_cpu_time(arguments.cpu_s)
        answer(connection, data, rendered, memory)
        confinement.end_cpu_time()


def rehearse(limits: Limits, squares: tuple[int, ...]) -> None:
    """Render a small picture of each format, so that all that loads lazily is loaded before files cannot be opened."""
    for mode, extra in (("RGB", {"icc_profile": _profile()}), ("RGBA", {})):
        for name in limits.formats:
            data = io.BytesIO()
            try:
                Image.new(mode, (16, 16), (90, 60, 30, 128)[: len(mode)]).save(data, name, **extra)
            except (KeyError, OSError, ValueError):
                continue  # a format without transparency, or one that is only read here
            render(data.getvalue(), limits, squares)


def answer(connection: socket.socket, data: bytes, rendered: Callable[[bytes], Rendering], memory: Memory) -> None:
    """Send what `rendered` makes of `data`, or why that is nothing."""
    try:
        rendering = rendered(data)
    except MemoryError:
        # The peak does not tell: a single allocation far over the limit may have failed when little was in use.
        protocol.send(
            connection, _out_of_memory() if memory.is_left() else protocol.Exhausted(share=memory.peak_share())
        )
    except PictureError as fault:
        refused = protocol.Refused.model_validate({"code": fault.code, "detail": str(fault)[:500]})
        close = refused.code == "malformed" and memory.peak_share() > _NEARLY_ALL
        protocol.send(connection, _out_of_memory() if close else refused)
    else:
        protocol.send_rendering(connection, rendering)


def _out_of_memory() -> protocol.Refused:
    detail = "The picture needs more memory to be decoded than is allowed."
    return protocol.Refused(code="too-large", detail=detail)


def _profile() -> bytes:
    from PIL import ImageCms  # noqa: PLC0415 - loads what converting a profile needs

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


if __name__ == "__main__":
    main()
