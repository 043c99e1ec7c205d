"""The child: renders one picture after the other, as they come over its socket, until that is closed.

Started by exec with a clean environment: a fork would inherit the credentials in the parent's memory.
"""

import argparse
import io
import json
import socket
import sys
from dataclasses import replace

from PIL import AvifImagePlugin, Image
from pillow_heif import options as heif_options

from imaging.domain import Limits
from imaging.errors import PictureError
from imaging.pipeline import render
from imaging.sandbox import confinement, protocol
from imaging.sandbox.confinement import Memory

# A decode error this close to the memory limit is taken for want of memory, which decoders rarely say.
_CLOSE = 0.8


def main() -> None:
    """Serve pictures on standard input, which is a socket."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--limits", type=json.loads, required=True)
    parser.add_argument("--squares", type=json.loads, required=True)
    parser.add_argument("--cpu-s", type=float, required=True)
    arguments = parser.parse_args()
    limits = Limits(**{**arguments.limits, "formats": tuple(arguments.limits["formats"])})
    squares = tuple(arguments.squares)

    connection = socket.socket(fileno=sys.stdin.fileno())
    # Threads of decoders would need processes, and make what a picture costs a matter of chance.
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    heif_options.DECODE_THREADS = 1
    # Whatever is allowed to the pictures of users, these are small enough.
    rehearse(replace(limits, max_bytes=2**20, max_pixels=2**10, max_side=2**10), squares)
    memory = Memory(limits.max_memory)
    confinement.confine()
    memory.bound()
    protocol.send_ready(connection)
    while True:
        try:
            data = protocol.receive_bytes(connection, limits.max_bytes)
        except protocol.EndedError:
            return
        confinement.begin_cpu_time(arguments.cpu_s)
        answer(connection, data, limits, squares, memory)
        confinement.end_cpu_time()


def rehearse(limits: Limits, squares: tuple[int, ...]) -> None:
    """Render a small picture of each format, so that whatever loads at its first use is loaded."""
    for mode, extra in (("RGB", {"icc_profile": _profile()}), ("RGBA", {})):
        for name in limits.formats:
            data = io.BytesIO()
            try:
                Image.new(mode, (16, 16), (90, 60, 30, 128)[: len(mode)]).save(data, name, **extra)
            except (KeyError, OSError, ValueError):
                continue  # a format without transparency, or one that is only read here
            render(data.getvalue(), limits, squares)


def answer(connection: socket.socket, data: bytes, limits: Limits, squares: tuple[int, ...], memory: Memory) -> None:
    """Render DATA and say what came of it."""
    try:
        rendering = render(data, limits, squares)
    except MemoryError:
        # It may have been a single allocation, far over the limit, that failed before anything was used.
        protocol.say(
            connection, _no_memory() if memory.is_left() else protocol.ExhaustedSaid(share=memory.peak_share())
        )
    except PictureError as fault:
        refused = protocol.RefusedSaid.model_validate({"code": fault.code, "detail": str(fault)[:500]})
        close = refused.code == "malformed" and memory.peak_share() > _CLOSE
        protocol.say(connection, _no_memory() if close else refused)
    else:
        protocol.send_rendering(connection, rendering)


def _no_memory() -> protocol.RefusedSaid:
    detail = "The picture needs more memory to be decoded than is allowed."
    return protocol.RefusedSaid(code="too-large", detail=detail)


def _profile() -> bytes:
    from PIL import ImageCms  # noqa: PLC0415 - loads what converting a profile needs

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


if __name__ == "__main__":
    main()
