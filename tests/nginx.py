"""A real nginx before what is tested, as many operators have it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import requests

from deadlines import until
from embedded.parts.ports import free_ports

CONFIGURATION = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log stderr crit;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {http}
    server {{
        listen 127.0.0.1:{port};
        {server}
    }}
}}
"""


@contextmanager
def nginx(folder: Path, server: str, http: str = "") -> Iterator[str]:
    """Run nginx with its files in `folder` during the block, and yield its URL; skip the test if it is not installed.

    `server` are lines of its only server, `http` others beside it.
    """
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed (apt install nginx-light)")
    (port,) = free_ports(1)
    configuration = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""  # otherwise it would change to a user who may not enter the folder
    configuration.write_text(CONFIGURATION.format(folder=folder, port=port, server=server, http=http, user=user))
    with subprocess.Popen([program, "-c", str(configuration), "-p", str(folder), "-e", "stderr"]) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            until(lambda: _answers(url), 20, "nginx does not answer")
            yield url
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    with suppress(requests.ConnectionError):
        return requests.get(url, timeout=5).status_code > 0
    return False
