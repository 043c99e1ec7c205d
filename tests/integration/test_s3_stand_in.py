"""The S3 server of the compose stack, run as the plain process that it also is."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

SERVE = Path(__file__).parents[2] / "containers" / "s3" / "serve.py"
START_TIMEOUT_S = 20


@pytest.fixture(scope="module")
def bucket_url() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = {**os.environ, "S3_BUCKET": "imghost", "S3_HOST": "127.0.0.1", "S3_PORT": str(port)}
    server = subprocess.Popen([sys.executable, SERVE], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}/imghost"
        wait_until_ready(url)
        yield url
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=5) == 0
    finally:
        server.kill()
        server.wait()


def wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            if requests.get(f"{url}?policy", timeout=5).ok:
                return
        except requests.ConnectionError:
            pass
        assert time.monotonic() < deadline, "the S3 server does not become ready"
        time.sleep(0.05)


def test_everyone_reads_what_is_put_into_the_bucket(bucket_url: str) -> None:
    requests.put(f"{bucket_url}/dir/a%20b.jpg", data=b"picture", headers={"Content-Type": "image/jpeg"}, timeout=5)
    response = requests.get(f"{bucket_url}/dir/a%20b.jpg", timeout=5)
    assert (response.status_code, response.content) == (200, b"picture")
    assert response.headers["Content-Type"] == "image/jpeg"


def test_nobody_deletes_without_credentials(bucket_url: str) -> None:
    requests.put(f"{bucket_url}/kept.jpg", data=b"picture", timeout=5)
    assert requests.delete(f"{bucket_url}/kept.jpg", timeout=5).status_code == 403


def test_a_page_from_elsewhere_may_post_a_form(bucket_url: str) -> None:
    asked = {"Origin": "http://127.0.0.1:8080", "Access-Control-Request-Method": "POST"}
    response = requests.options(bucket_url, headers=asked, timeout=5)
    assert response.ok
    assert response.headers["Access-Control-Allow-Origin"] in {"*", asked["Origin"]}
    assert "POST" in response.headers["Access-Control-Allow-Methods"]


def test_a_missing_bucket_name_is_one_clear_line() -> None:
    env = {name: value for name, value in os.environ.items() if name != "S3_BUCKET"}
    done = subprocess.run([sys.executable, SERVE], env=env, check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert done.stderr.splitlines() == ["S3_BUCKET is not set; it names the bucket to make"]
