"""The sandbox: what a child cannot do, and what happens to a picture whose child ends, hangs, uses too much or lies."""

import ctypes
import os
import signal
import struct
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tiffs
from bad_pictures import jpeg, png
from bad_pictures.webp import one_colour
from deadlines import until
from imaging import metrics
from imaging.domain import Limits
from imaging.errors import (
    DecoderCrashedError,
    DecodeTimeoutError,
    DecodeTooCostlyError,
    HostExhaustedError,
    MalformedError,
    TooLargeError,
)
from imaging.sandbox.pool import Bounds, Pool
from metric_values import shown
from pictures import encoded, photo
from processes import children as all_children
from processes import cpu_s, stat
from tiffs import Tiff

SQUARES = (64, 128, 256, 512)
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF", "BMP", "HEIF")
LIMITS = Limits(64 * 1024 * 1024, 64_000_000, 30_000, 1024**3, FORMATS)
BOUNDS = Bounds(5, 60)
MEBIBYTE = 1024 * 1024
# Costs minutes of CPU time.
BURNER = jpeg.scans(7000, 7000, 50_000)

# Other tests may have started stacks whose processes are children of this process, and which have threads in it.
STRANGERS: set[int] = set()

Replaced = Callable[[str], tuple[str, ...]]


@pytest.fixture(autouse=True)
def strangers() -> None:
    STRANGERS.clear()
    STRANGERS.update(all_children())


def children() -> list[int]:
    return [pid for pid in all_children() if pid not in STRANGERS]


@contextmanager
def pool_of(
    size: int = 1, limits: Limits = LIMITS, bounds: Bounds = BOUNDS, program: tuple[str, ...] | None = None
) -> Iterator[Pool]:
    pool = Pool(size, limits, SQUARES, bounds) if program is None else Pool(size, limits, SQUARES, bounds, program)
    try:
        yield pool
    finally:
        pool.close()
        assert not children(), "a child outlived its pool"


@pytest.fixture
def speaking(tmp_path: Path) -> Replaced:
    """Return a program for a child that receives one picture as usual, then runs the given lines of Python."""

    def make(lines: str) -> tuple[str, ...]:
        script = tmp_path / "child.py"
        script.write_text(
            "import errno, json, os, signal, socket, struct, sys\n"
            "from imaging.sandbox import confinement, protocol\n"
            "connection = socket.socket(fileno=0)\n"
            "def refuse(detail):\n"
            "    protocol.send(connection, protocol.Refused(code='malformed', detail=str(detail)[:500]))\n"
            "protocol.send_ready(connection)\n"
            "protocol.receive_bytes(connection, 1 << 30)\n" + textwrap.dedent(lines)
        )
        return sys.executable, str(script)

    return make


def only_child() -> int:
    (pid,) = children()
    return pid


# --- what a child can do --------------------------------------------------------------------------------------------


def test_child_knows_no_variable_of_its_parent_but_those_it_needs(
    speaking: Replaced, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("IMAGING_S3_SECRET_ACCESS_KEY", "IMAGING_BROKER_URL", "AWS_SECRET_ACCESS_KEY", "HOME", "ANYTHING"):
        monkeypatch.setenv(name, "not for children")
    program = speaking("refuse(' '.join(n for n, v in os.environ.items()) + ''.join(os.environ.values()))")
    with pool_of(program=program) as pool, pytest.raises(MalformedError) as told:
        pool.render(b"a picture")
    assert "not for children" not in str(told.value)
    for name in ("IMAGING_", "AWS_", "HOME", "ANYTHING"):
        assert name not in str(told.value)


@pytest.mark.parametrize(
    "deed",
    [
        "open('/etc/passwd')",
        "open('/proc/self/environ')",
        f"open('{__file__}.written', 'w')",
        "os.listdir('/')",
        "os.pipe()",
        "os.memfd_create('x')",
        "socket.socket()",
        "socket.socket(socket.AF_UNIX)",
        "socket.create_connection(('127.0.0.1', 9))",
        "os.dup(0)",
        "os.fork()",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "__import__('subprocess').run(['/bin/true'])",
        "os.execv('/bin/true', ['true'])",
        "__import__('resource').setrlimit(7, (100, 100))",
    ],
)
def test_confined_child_cannot(deed: str, speaking: Replaced) -> None:
    """Runs as a user without rights, as the service does in its container: limits on processes do not bind root."""
    program = speaking(
        f"""
        import subprocess, threading
        if os.geteuid() == 0:
            os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
        confinement.confine()
        try:
            {deed}
        except (OSError, RuntimeError, ValueError) as fault:
            refuse('refused: ' + repr(fault))
        else:
            refuse('done')
        """
    )
    with pool_of(program=program) as pool, pytest.raises(MalformedError, match="refused: "):
        pool.render(b"a picture")


@pytest.mark.parametrize("file_format", FORMATS)
def test_confined_child_decodes_every_format(file_format: str, speaking: Replaced, tmp_path: Path) -> None:
    """As a user without rights: the decoder of HEIC makes a thread, which a limit of no processes would forbid."""
    file = tmp_path / "picture"
    file.write_bytes(photo(1200, 800, file_format))
    program = speaking(
        f"""
        from pathlib import Path
        from imaging.domain import Limits
        from imaging.pipeline import render
        from imaging.sandbox import child
        data, limits = Path({str(file)!r}).read_bytes(), Limits(2**26, 10**7, 10**5, 2**30, ({file_format!r},))
        child.rehearse(limits, (64,))
        if os.geteuid() == 0:
            os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
        confinement.confine()
        refuse(f"made {{render(data, limits, (64,)).width}}")
        """
    )
    with pool_of(program=program) as pool, pytest.raises(MalformedError, match="made 1200"):
        pool.render(b"a picture")


def test_child_decodes_on_one_thread_and_holds_three_streams_and_its_own_status() -> None:
    with pool_of() as pool:
        for file_format in ("AVIF", "HEIF"):
            pool.render(photo(2000, 1500, file_format))
        status = Path(f"/proc/{only_child()}/status").read_text()
        assert "Threads:\t1\n" in status
        assert "NoNewPrivs:\t1\n" in status
        if os.geteuid() == 0:
            assert len(list(Path(f"/proc/{only_child()}/fd").iterdir())) == 4 + files_of_libffi()


def files_of_libffi() -> int:
    """Return how many files libffi has open in each process that imports ctypes: newer builds keep their own."""
    ctypes.CFUNCTYPE(None)(print)
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the listing itself is closed by now
            found += "libffi" in descriptor.readlink().name
    return found


# --- children that end ----------------------------------------------------------------------------------------------


def test_child_that_was_killed_while_idle_is_replaced_silently() -> None:
    with pool_of() as pool:
        before = pool.render(photo())
        killed = only_child()
        os.kill(killed, signal.SIGKILL)
        until(lambda: stat(killed)[0] == "Z", 5, "it is not dead yet")
        assert pool.render(photo()) == before
        assert only_child() != killed


def test_child_that_is_killed_while_decoding_is_the_hosts_doing() -> None:
    with pool_of(bounds=Bounds(50, 60)) as pool, ThreadPoolExecutor(1) as thread:
        pool.warm_up()
        child = only_child()
        rendering = thread.submit(pool.render, BURNER)
        wait_until_busy(child)
        os.kill(child, signal.SIGKILL)
        with pytest.raises(HostExhaustedError):
            rendering.result(10)
        assert pool.render(photo()).width == 1920


def wait_until_busy(child: int) -> None:
    before = cpu_s(child)
    until(lambda: cpu_s(child) > before + 0.2, 20, "the child is not decoding")


def test_child_that_is_stopped_is_a_matter_of_time_and_is_replaced() -> None:
    with pool_of(bounds=Bounds(5, 2)) as pool:
        pool.warm_up()
        stopped = only_child()
        os.kill(stopped, signal.SIGSTOP)
        with pytest.raises(DecodeTimeoutError):
            pool.render(photo(60, 40))
        assert pool.render(photo(60, 40)).width == 60
        assert only_child() != stopped


def test_picture_that_burns_cpu_time_is_too_costly_after_one_attempt() -> None:
    with pool_of(bounds=Bounds(0.5, 60)) as pool:
        pool.warm_up()
        burning = only_child()
        with pytest.raises(DecodeTooCostlyError):
            pool.render(BURNER)
        assert burning not in children()
        assert pool.render(photo(60, 40)).width == 60


def test_picture_that_burns_cpu_time_until_the_clock_ends_it_is_too_costly() -> None:
    with pool_of(bounds=Bounds(0.3, 60)) as pool, pytest.raises(DecodeTooCostlyError):
        pool.render(BURNER)


def test_pictures_share_no_cpu_time() -> None:
    with pool_of(bounds=Bounds(0.4, 60)) as pool:
        pool.warm_up()
        child = only_child()
        while cpu_s(child) < 2.5:
            pool.render(photo())
        assert only_child() == child


@pytest.mark.parametrize("signal_name", ["SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE"])
def test_child_that_crashes_is_the_pictures_fault(signal_name: str, speaking: Replaced) -> None:
    program = speaking(f"os.kill(os.getpid(), signal.{signal_name})")
    with pool_of(program=program) as pool, pytest.raises(DecoderCrashedError):
        pool.render(b"a picture")


def test_child_that_cannot_be_started_is_the_hosts_doing_and_blocks_nobody() -> None:
    for program in (("/no/such/program",), ("/bin/false",), ("/bin/echo", "not ready")):
        with pool_of(program=program) as pool:
            for _ in range(3):
                with pytest.raises(HostExhaustedError):
                    pool.render(b"a picture")


def test_hundreds_of_replaced_children_leave_no_process_thread_or_descriptor() -> None:
    script = "import sys,socket;s=socket.socket(fileno=0);s.sendall(bytes(7)+b'\\5ready');s.recv(9);sys.exit(3)"
    with pool_of(2, program=(sys.executable, "-ISc", script)) as pool:
        before, threads_before = descriptors(), threading.active_count()
        with ThreadPoolExecutor(2) as threads:
            faults = [future.exception(60) for future in [threads.submit(pool.render, b"x") for _ in range(300)]]
        assert {type(fault) for fault in faults} == {DecoderCrashedError}
        assert not children()
        assert descriptors() == before
        until(lambda: threading.active_count() == threads_before, 5, "threads are left")


def descriptors() -> set[str]:
    """Return the open file descriptors, without that of the listing itself."""
    return {str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.exists()}


def test_threads_may_come_and_go() -> None:
    with pool_of(2) as pool:
        expected = pool.render(photo())
        for _ in range(4):
            with ThreadPoolExecutor(3) as threads:
                rendered: list[Future[object]] = [threads.submit(pool.render, photo()) for _ in range(6)]
            assert all(future.result() == expected for future in rendered)
        assert len(children()) == 2


def test_answer_that_nobody_heard_is_not_given_to_the_next_picture() -> None:
    with pool_of() as pool:
        pool.warm_up()
        first = only_child()
        with pytest.raises(TypeError):
            pool.render("x" * 20)  # type: ignore[arg-type] # fails in the middle of sending, as a defect would
        assert pool.render(photo(60, 40)).width == 60
        assert only_child() != first


# --- memory ---------------------------------------------------------------------------------------------------------


def fifty_million(kind: str) -> bytes:
    if kind == "WebP":
        return one_colour(7142, 7000)
    grey = Image.fromarray((np.add.outer(np.arange(7000), np.arange(7142)) // 57 % 256).astype(np.uint8))
    if kind == "GIF":
        return encoded(grey.convert("P"), "GIF", transparency=3)
    if kind == "progressive CMYK JPEG":
        return encoded(Image.merge("CMYK", [grey] * 4), "JPEG", progressive=True, subsampling=0)
    if kind == "float TIFF":
        return encoded(grey.convert("F"), "TIFF", compression="tiff_adobe_deflate")
    return encoded(Image.merge("RGBA", [grey] * 4), "PNG", compress_level=1)


@pytest.mark.parametrize("kind", ["PNG with alpha", "WebP", "GIF", "progressive CMYK JPEG", "float TIFF"])
def test_fifty_million_pixels_are_decoded_within_the_limits(kind: str) -> None:
    with pool_of(bounds=Bounds(20, 120)) as pool:
        rendering = pool.render(fifty_million(kind))
    assert (rendering.width, rendering.height) == (7142, 7000)


def sixty_four_million(kind: str) -> bytes:
    grey = Image.fromarray((np.add.outer(np.arange(8000), np.arange(8000)) // 57 % 256).astype(np.uint8))
    if kind == "GIF whose first frame is smaller":
        data = encoded(grey.convert("P").crop((0, 0, 7900, 7900)), "GIF")
        return data[:6] + struct.pack("<HH", 8000, 8000) + data[10:]
    if kind == "progressive JPEG":
        return encoded(Image.merge("RGB", [grey] * 3), "JPEG", progressive=True)
    return encoded(Image.merge("RGBA", [grey] * 4), "PNG", compress_level=1)


@pytest.mark.parametrize("kind", ["PNG with alpha", "progressive JPEG", "GIF whose first frame is smaller"])
def test_as_many_pixels_as_are_allowed_are_decoded_within_the_limits(kind: str) -> None:
    with pool_of(bounds=Bounds(20, 120)) as pool:
        rendering = pool.render(sixty_four_million(kind))
    assert rendering.width * rendering.height == LIMITS.max_pixels


def test_decoders_of_our_own_need_no_more_rights_than_others() -> None:
    """They run in the confined child: nothing that they use may be loaded late, from a file that cannot be opened."""
    floats = Tiff(np.full((40, 40, 3), 0.5, "f2"), tiffs.RGB, deflated=True).encoded()
    bright = encoded(Image.new("RGB", (40, 40), (90, 90, 90)), "PNG")
    pictures = [
        (floats, "#7f7f7f"),
        (bright[:33] + png.chunk(b"cICP", bytes((9, 16, 0, 1))) + bright[33:], None),
        (bright[:33] + png.chunk(b"gAMA", struct.pack(">I", 100_000)) + bright[33:], None),
    ]
    with pool_of() as pool:
        for data, colour in pictures:
            made = pool.render(data)
            assert made.width == 40
            assert colour in {None, *made.colors}
        grey = photo(800, 600)
        with pytest.raises(MalformedError, match="ends before the picture"):
            pool.render(grey[: len(grey) // 2] + b"\xff\xd9")


def many_scans(width: int, height: int) -> bytes:
    """Return a baseline JPEG whose decoder keeps all coefficients: each component has a scan of its own."""
    tables = jpeg.segment(0xDB, b"\0" + b"\1" * 64)
    codes = b"".join(jpeg.segment(0xC4, bytes((kind,)) + b"\1" + bytes(15) + b"\0") for kind in (0x00, 0x10))
    scans = b"".join(jpeg.segment(0xDA, bytes((1, number, 0, 0, 63, 0))) for number in (1, 2, 3))
    return b"\xff\xd8" + tables + jpeg.frame(width, height, 3) + codes + scans + jpeg.END


def test_decoder_that_lacks_memory_tells_of_a_picture_too_large_not_broken() -> None:
    picture = many_scans(6400, 6250)  # 40 million pixels: 160 MB by its header, really 240 MB
    with pool_of() as pool:
        assert pool.render(picture).width == 6400
    with pool_of(limits=replace(LIMITS, max_memory=190_000_000)) as pool, pytest.raises(TooLargeError, match="memory"):
        pool.render(picture)


def test_peak_of_one_picture_does_not_count_for_the_next() -> None:
    large = encoded(Image.new("RGB", (2600, 2600), "teal"), "PNG", transparency=(1, 2, 3))
    with pool_of(limits=replace(LIMITS, max_memory=100_000_000)) as pool:
        for _ in range(3):
            assert pool.render(large).width == 2600
            with pytest.raises(MalformedError):
                pool.render(photo(file_format="PNG")[:-40])


@pytest.mark.parametrize(("hosts_share", "has_it"), [(0, True), (100_000_000, False)], ids=["limit", "host"])
def test_limit_and_host_are_told_apart_however_little_was_in_use(
    hosts_share: int, has_it: bool, speaking: Replaced
) -> None:
    """An allocation above the limit is the picture's fault; one that the host has no memory for is retried."""
    program = speaking(
        f"""
        import resource
        memory = confinement.Memory(200_000_000)
        memory.bound()
        most = resource.getrlimit(resource.RLIMIT_AS)[0] - {hosts_share}
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        try:
            bytearray(300_000_000)
        except MemoryError:
            refuse(f"the host has it: {{memory.is_left()}}")
        """
    )
    with pool_of(program=program) as pool, pytest.raises(MalformedError, match=f"the host has it: {has_it}"):
        pool.render(b"a picture")


def test_webp_is_measured_before_its_decoder_takes_memory() -> None:
    with pool_of(limits=replace(LIMITS, max_memory=100_000_000)) as pool, pytest.raises(TooLargeError, match="memory"):
        pool.render(one_colour(5000, 5000))


# --- children that lie ----------------------------------------------------------------------------------------------

_SANE = """
said = {"kind": "rendered", "width": 9, "height": 9, "content_type": "image/png", "colors": ["#ffffff"],
        "placeholder": "AAAA", "thumbs": [{"square": s, "width": 9, "height": 9, "content_type": "image/jpeg",
        "size": 100} for s in (64, 128, 256, 512)]}
"""
_SAY = "\nprotocol.send_bytes(connection, json.dumps(said).encode())\nconnection.sendall(bytes(100 << 20))\n"

LIES = {
    "answer longer than any": "protocol.send_bytes(connection, b' ' * (100 << 20))",
    "length of exabytes": "connection.sendall(struct.pack('!Q', 2**63)); signal.pause()",
    "no JSON": "protocol.send_bytes(connection, b'no JSON')",
    "no text": "protocol.send_bytes(connection, b'\\xff\\xfe\\0')",
    "nothing": "protocol.send_bytes(connection, b'')",
    "deeply nested": "protocol.send_bytes(connection, b'[' * 60_000)",
    "another type": "protocol.send_bytes(connection, b'[1, 2, 3]')",
    "another kind": 'protocol.send_bytes(connection, b\'{"kind": "pickled"}\')',
    "a field too many": f"{_SANE}said['user'] = 'admin'{_SAY}",
    "a code that is not the child's to say": 'protocol.send_bytes(connection, b\'{"kind": "refused", '
    '"code": "original-missing", "detail": ""}\')',
    "width that is text": f"{_SANE}said['width'] = 'wide'{_SAY}",
    "width of a thousand digits": f"{_SANE}said['width'] = 10**1000{_SAY}",
    "sides that were not allowed": f"{_SANE}said['width'] = 30_001{_SAY}",
    "colours that are script": f"{_SANE}said['colors'] = ['<script>']{_SAY}",
    "content type that is script": f"{_SANE}said['content_type'] = 'text/html'{_SAY}",
    "thumb of a terabyte": f"{_SANE}said['thumbs'][0]['size'] = 2**40{_SAY}",
    "thumbs of sixteen megabytes": f"{_SANE}\nfor t in said['thumbs']: t['size'] = 16 << 20{_SAY}",
    "thumb wider than its square": f"{_SANE}said['thumbs'][0]['width'] = 65{_SAY}",
    "thumb for another square": f"{_SANE}said['thumbs'][0]['square'] = 999{_SAY}",
    "display picture of sixty-four megabytes": f"{_SANE}said['display'] = said['thumbs'][3] | "
    f"{{'square': 2048, 'width': 2048, 'height': 2048, 'size': 64 << 20}}{_SAY}",
    "display picture for another square": f"{_SANE}said['display'] = said['thumbs'][3]{_SAY}",
    "thumbs that are missing": f"{_SANE}said['thumbs'] = []{_SAY}",
    "end in the middle": "connection.sendall(bytes(3))",
    "end without a word": "",
}


@pytest.mark.parametrize("lie", LIES)
def test_child_that_lies_counts_as_crashed_and_costs_its_parent_nothing(lie: str, speaking: Replaced) -> None:
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_memory()
    with pool_of(program=speaking(LIES[lie])) as pool, pytest.raises(DecoderCrashedError):
        pool.render(b"a picture")
    assert peak_memory() - before < 8 * MEBIBYTE


def peak_memory() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


_WITH_DISPLAY = f"{_SANE}said['display'] = said['thumbs'][3] | {{'square': 2048}}{_SAY}"


def test_answer_that_the_lies_are_made_of_is_sane(speaking: Replaced) -> None:
    with pool_of(program=speaking(_SANE + _SAY)) as pool:
        assert [len(picture.data) for picture in pool.render(b"a picture").encoded] == [100] * 4
    with pool_of(program=speaking(_WITH_DISPLAY)) as pool:
        assert [len(picture.data) for picture in pool.render(b"a picture").encoded] == [100] * 5


def test_child_that_sends_a_display_picture_where_none_is_wanted_counts_as_crashed(speaking: Replaced) -> None:
    pool = Pool(1, LIMITS, SQUARES, BOUNDS, speaking(_WITH_DISPLAY), display="none")
    with closing(pool), pytest.raises(DecoderCrashedError):
        pool.render(b"a picture")


@pytest.mark.parametrize(
    ("deed", "reason"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "crashed"),
        ("os.kill(os.getpid(), signal.SIGXCPU)", "cpu-time"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed"),
        ("while True: signal.pause()", "wall-time"),
    ],
)
def test_children_that_are_replaced_are_counted_by_reason(deed: str, reason: str, speaking: Replaced) -> None:
    def ended() -> float:
        return shown("imghost_decoder_restarts_total", reason=reason)

    before, decoded = ended(), shown("imghost_decode_duration_seconds_count", format="unknown")
    with pool_of(program=speaking(deed), bounds=Bounds(5, 1)) as pool, suppress(Exception):
        pool.render(photo())
    assert ended() == before + 1
    assert shown("imghost_decode_duration_seconds_count", format="unknown") == decoded + 1
    assert shown("imghost_decoders_busy") == 0


def test_child_cannot_invent_formats_in_metrics() -> None:
    assert metrics.format_of("image/jpeg") == "jpeg"
    assert metrics.format_of("image/invented") == "other"


def test_each_format_that_is_accepted_has_a_name_in_metrics() -> None:
    for name in FORMATS:
        content_type = {"BMP": "image/bmp", "HEIF": "image/heic"}.get(name) or Image.MIME[name]
        assert metrics.format_of(content_type) != "other", name
