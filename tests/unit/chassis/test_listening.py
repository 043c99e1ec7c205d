"""IPv4 and IPv6 addresses, for HTTP and for the operations port."""

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from chassis import listening
from deadlines import until
from embedded.parts.ports import free_ports

# The gunicorn workers of the services behind the gateway, and of the gateway itself.
WORKERS = ["chassis.web.gunicorn_worker.Worker", "gateway.door.worker.DoorWorker"]
SERVING = """
import sys
from chassis import shared_metrics
shared_metrics.share()
from chassis.web.server import serve
from chassis.settings import WebSettings

def make(settings):
    from chassis.web import app as web
    return web.base_flask("test", {}, {}, {})

host, port, ops_port, worker = sys.argv[1:]
settings = WebSettings(
    listen_host=host, listen_port=int(port), ops_host=host, ops_port=int(ops_port), web_processes=1
)
serve("__main__:make", settings, worker_class=worker)
"""

NEW_NETWORK = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def can_make_networks() -> bool:
    return subprocess.run([*NEW_NETWORK, "true"], check=False, capture_output=True).returncode == 0


# Containers have neither by default.
needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback address")
needs_networks = pytest.mark.skipif(not can_make_networks(), reason="no network namespace can be made here")


def status(address: str, port: int) -> int:
    with suppress(OSError):
        connection = http.client.HTTPConnection(address, port, timeout=10)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status
        finally:
            connection.close()
    return 0


@contextmanager
def serving(host: str, worker: str, folder: Path) -> Iterator[tuple[int, int]]:
    ports = free_ports(2)
    words = [sys.executable, "-c", SERVING, host, *map(str, ports), worker]
    with (
        (folder / "said").open("wb") as said,
        subprocess.Popen(words, stdout=said, stderr=subprocess.STDOUT, start_new_session=True) as process,
    ):
        try:
            yield ports[0], ports[1]
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("worker", WORKERS)
@pytest.mark.parametrize(
    ("host", "reached"),
    [
        pytest.param("::", ["127.0.0.1", "::1"], marks=needs_ipv6),
        pytest.param("[::]", ["127.0.0.1", "::1"], marks=needs_ipv6),
        pytest.param("::1", ["::1"], marks=needs_ipv6),
        pytest.param("[::1]", ["::1"], marks=needs_ipv6),
        ("127.0.0.1", ["127.0.0.1"]),
        ("localhost", ["127.0.0.1"]),
    ],
)
def test_http_and_operations_port_answer_at_every_spelling_of_an_address(
    host: str, reached: list[str], worker: str, tmp_path: Path
) -> None:
    with serving(host, worker, tmp_path) as ports:
        for address in reached:
            for port in ports:
                until(lambda: status(address, port) == 200, 20, (tmp_path / "said").read_text())  # noqa: B023
        if "127.0.0.1" not in reached:
            assert [status("127.0.0.1", port) for port in ports] == [0, 0]


@needs_ipv6
@needs_networks
def test_double_colon_accepts_both_families_whatever_the_default_of_the_system_is() -> None:
    """In a network namespace whose IPv6 sockets do not accept IPv4 by default."""
    program = (
        "import socket; from pathlib import Path; from chassis.listening import listen;"
        "Path('/proc/sys/net/ipv6/bindv6only').write_text('1');"
        "listening = listen('::', 8000);"
        "print(listening.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))"
    )
    done = subprocess.run([*NEW_NETWORK, sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "0\n"


@pytest.mark.parametrize(
    ("host", "sentence"),
    [
        (
            "2001:db8::1",
            "cannot listen on 2001:db8::1, port 8000: Cannot assign requested address; has this host IPv6?",
        ),
        ("192.0.2.1", "cannot listen on 192.0.2.1, port 8000: Cannot assign requested address"),
        ("no.such.host.invalid", "cannot listen on no.such.host.invalid: "),
    ],
)
def test_address_that_is_not_available_ends_with_one_sentence(host: str, sentence: str) -> None:
    with pytest.raises(SystemExit) as ended:
        listening.listen(host, 8000)
    assert str(ended.value.code).startswith(sentence)
    assert "\n" not in str(ended.value.code)


@needs_ipv6
def test_port_in_use_ends_with_one_sentence() -> None:
    with ExitStack() as open_until_the_end:
        taken = open_until_the_end.enter_context(listening.listen("::1", 0))
        with pytest.raises(SystemExit, match="Address already in use"):
            listening.listen("::1", taken.getsockname()[1])
