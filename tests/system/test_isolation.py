"""What a decoding child can do in the container of imaging, as its user: root is bound by fewer limits.

The deeds are those of a decoder that a picture has taken over.
"""

import base64
import json
import subprocess
from collections.abc import Mapping

import pytest
from pillow_heif import register_heif_opener

from bad_pictures import jpeg
from containers import COMPOSE_PROJECT
from pictures import photo

register_heif_opener()

MEMORY = 200_000_000
# What a child does once it has a picture; in some of these, `libc` is the C library.
DEEDS = {
    "reads a file": "open('/etc/passwd')",
    "writes a file": "open('/tmp/written', 'w')",
    "opens a socket": "socket.socket()",
    "makes a process": "os.fork() or os._exit(0)",
    "becomes another program": "os.execv('/bin/true', ['true'])",
    "sends its parent a signal": "os.kill(os.getppid(), 0)",
    "sends its parent a signal as a thread": "call(libc.tgkill(os.getppid(), os.getppid(), 0))",
    "traces its parent": "call(libc.ptrace(16, os.getppid(), None, None)); libc.ptrace(17, os.getppid(), None, None)",
    "takes too much memory": f"bytearray({MEMORY * 2})",
}
FORBIDDEN = {
    **dict.fromkeys(("reads a file", "writes a file", "opens a socket"), "EMFILE"),
    **dict.fromkeys(DEEDS.keys() - {"reads a file", "writes a file", "opens a socket"}, "EPERM"),
    "takes too much memory": "MemoryError",
}
CHILD = """
import ctypes, errno, os, socket, sys, threading
from imaging.sandbox import confinement, protocol

libc = ctypes.CDLL(None, use_errno=True)
connection = socket.socket(fileno=0)

def call(result):
    if result:
        raise OSError(ctypes.get_errno(), "refused")

memory = confinement.Memory({memory})
if {is_confined}:
    confinement.confine()
    memory.bound()
protocol.send_ready(connection)
protocol.receive_bytes(connection, 1 << 20)
confinement.begin_cpu_time(2)
try:
    {deed}
    said = "done"
except OSError as fault:
    said = errno.errorcode[fault.errno]
except Exception as fault:
    said = type(fault).__name__
protocol.send(connection, protocol.Refused(code="malformed", detail=said))
"""
INSIDE = """
import base64, json, os, sys
from contextlib import closing
from imaging.domain import Limits
from imaging.sandbox.pool import Bounds, Pool

asked = json.loads({asked!r})
formats = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF", "BMP", "HEIF")
limits = Limits(2**26, 64_000_000, 30_000, asked["memory"], formats)

def outcome(data, *program):
    with closing(Pool(1, limits, (64, 512), Bounds(2, 60), *program)) as pool:
        try:
            return pool.render(data).content_type
        except Exception as fault:
            return str(fault) if program and type(fault).__name__ == "MalformedError" else type(fault).__name__

said = {{name: outcome(b"a picture", (sys.executable, "-c", child)) for name, child in asked["children"].items()}}
said |= {{name: outcome(base64.b64decode(data)) for name, data in asked["pictures"].items()}}
print(json.dumps({{"user": os.getuid(), **said}}))
"""


def inside(children: Mapping[str, str], pictures: Mapping[str, bytes]) -> dict[str, str | int]:
    """Return what becomes of `children` and `pictures` in the container of imaging, and its user."""
    asked = {
        "memory": MEMORY,
        "children": children,
        "pictures": {name: base64.b64encode(data).decode() for name, data in pictures.items()},
    }
    done = subprocess.run(
        ["docker", "exec", "--interactive", f"{COMPOSE_PROJECT}-imaging-1", "python", "-"],
        input=INSIDE.format(asked=json.dumps(asked)),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, str | int] = json.loads(done.stdout.splitlines()[-1])
    return said


def child(deed: str, *, is_confined: bool = True) -> str:
    return CHILD.format(deed=deed, memory=MEMORY, is_confined=is_confined)


@pytest.mark.usefixtures("compose_stack")
def test_child_can_do_nothing_but_compute() -> None:
    said = inside(
        {
            **{name: child(deed) for name, deed in DEEDS.items()},
            "computes without end": child("while True: pass"),
            "makes a thread": child("threading.Thread(target=int).start()"),
            "aborts": child("os.abort()"),
        },
        {},
    )
    assert said == {
        "user": 10001,
        **FORBIDDEN,
        "computes without end": "DecodeTooCostlyError",
        "makes a thread": "done",
        "aborts": "DecoderCrashedError",
    }


@pytest.mark.usefixtures("compose_stack")
def test_it_is_the_confinement_that_forbids_it() -> None:
    """A child that is not confined can do all of it, but for what kernels and engines may forbid, too."""
    elsewhere_too = {"becomes another program", "traces its parent"}
    deeds = {name: deed for name, deed in DEEDS.items() if name not in elsewhere_too}
    said = inside({name: child(deed, is_confined=False) for name, deed in deeds.items()}, {})
    assert said == {"user": 10001, **dict.fromkeys(deeds, "done")}


@pytest.mark.usefixtures("compose_stack")
def test_pictures_of_all_formats_are_decoded_with_what_is_left_and_costly_ones_are_not() -> None:
    """Decoders of some formats make threads."""
    formats = {
        "JPEG": "image/jpeg",
        "PNG": "image/png",
        "WEBP": "image/webp",
        "GIF": "image/gif",
        "AVIF": "image/avif",
        "TIFF": "image/tiff",
        "BMP": "image/bmp",
        "HEIF": "image/heic",
    }
    pictures = {name: photo(1200, 800, name) for name in formats}
    said = inside({}, {**pictures, "scans without end": jpeg.scans(3000, 3000, 20_000)})
    assert said == {"user": 10001, **formats, "scans without end": "DecodeTooCostlyError"}
