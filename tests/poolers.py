"""A connection pooler before PostgreSQL: Debian's PgBouncer, sharing few sessions between many clients."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from deadlines import until

# So few that each of them serves several clients all the time.
SERVER_CONNECTIONS = 4
START_PATIENCE_S = 20.0

# Starts a pooler with these settings in its section [pgbouncer]; returns a function from a URL to the one through it.
Pooler = Callable[..., Callable[[str], str]]


def program() -> str | None:
    """Return the path of PgBouncer; on Debian it is in a folder that only root has on the path."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@pytest.fixture
def pooler(postgres_url: str, tmp_path: Path) -> Iterator[Pooler]:
    """A function that starts poolers before the PostgreSQL of the tests; they end with the test."""
    with ExitStack() as running:

        def start(**settings: str) -> Callable[[str], str]:
            port = running.enter_context(_pgbouncer(tmp_path, postgres_url, settings))
            return lambda url: sa.make_url(url).set(host="127.0.0.1", port=port).render_as_string(hide_password=False)

        yield start


@contextmanager
def _pgbouncer(folder: Path, server_url: str, settings: dict[str, str]) -> Iterator[int]:
    """Run PgBouncer in transaction mode before the server at `server_url`; yield its port."""
    found = program()
    if found is None:
        pytest.skip("PgBouncer is not installed on this machine (Debian, Ubuntu: apt install pgbouncer)")
    server = sa.make_url(server_url)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    chosen = {
        "listen_addr": "127.0.0.1",
        "listen_port": str(port),
        "unix_socket_dir": "",
        "auth_type": "any",  # every client is the user named above, so that no file needs passwords
        "pool_mode": "transaction",
        "default_pool_size": str(SERVER_CONNECTIONS),
        "max_client_conn": "500",
        "query_wait_timeout": "15",
        "verbose": "0",
        **settings,
    }
    config, log = folder / f"pgbouncer-{port}.ini", folder / f"pgbouncer-{port}.log"
    databases = f"* = host={server.host} port={server.port} user={server.username} password={server.password}"
    lines = ["[databases]", databases, "[pgbouncer]", *(f"{name} = {value}" for name, value in chosen.items())]
    config.write_text("\n".join(lines) + "\n")
    # It refuses to run as root, and reads its file before it changes its user.
    user = ["--user", "nobody"] if os.geteuid() == 0 else []
    with log.open("wb") as output:
        process = subprocess.Popen([found, *user, str(config)], stdout=output, stderr=subprocess.STDOUT)
    try:
        until(lambda: _takes_connections(process, port), START_PATIENCE_S, f"PgBouncer does not start, see {log}")
        yield port
    finally:
        process.terminate()
        process.wait(START_PATIENCE_S)


def _takes_connections(process: subprocess.Popen[bytes], port: int) -> bool:
    assert process.poll() is None, "PgBouncer has ended"
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
