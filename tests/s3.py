"""Real S3 servers with an empty bucket for each test: moto in this process, and the server of the compose stack.

A test gets moto, unless it asks for all of `SERVERS`. IMGHOST_TEST_S3_ENDPOINT_URL replaces those by the server at that
address, with the credential IMGHOST_TEST_S3_ACCESS_KEY_ID and IMGHOST_TEST_S3_SECRET_ACCESS_KEY. Its bucket
IMGHOST_TEST_S3_BUCKET is created for the tests and removed afterwards; one that is there must be empty, and stays.
"""

import os
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer

from containers import images, testcontainers_configured
from deadlines import until

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

ENDPOINT_URL = os.environ.get("IMGHOST_TEST_S3_ENDPOINT_URL", "")
BUCKET = os.environ.get("IMGHOST_TEST_S3_BUCKET", "pics")
ACCESS_KEY_ID = os.environ.get("IMGHOST_TEST_S3_ACCESS_KEY_ID", "tests")
SECRET_ACCESS_KEY = os.environ.get("IMGHOST_TEST_S3_SECRET_ACCESS_KEY", "of-the-tests")
SERVERS = ("named_s3",) if ENDPOINT_URL else ("moto_s3", "kept_s3")
"""The fixtures of all servers, for tests that ask for all of them by parameters of `s3_endpoint`."""


@pytest.fixture(scope="module")
def moto_s3() -> Iterator[str]:
    """URL of moto, which is fast, and more tolerant than any other server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    # All moto servers of a process share their state: remove what earlier tests left in it.
    urllib.request.urlopen(f"http://{host}:{port}/moto-api/reset", data=b"", timeout=10).close()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def kept_s3(engine: None) -> Iterator[str]:  # noqa: ARG001
    """URL of the S3 server of the compose stack."""
    testcontainers_configured()
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415

    server = DockerContainer(images()["S3_IMAGE"]).with_exposed_ports(5000)
    server.with_envs(
        ROOT_ACCESS_KEY_ID=ACCESS_KEY_ID,
        ROOT_SECRET_ACCESS_KEY=SECRET_ACCESS_KEY,
        VGW_PORT=":5000",
        VGW_BACKEND="posix",
        VGW_BACKEND_ARG="/srv",
        VGW_IAM_DIR="/mnt",
        VGW_HEALTH="/minio/health/live",
    )
    with server as container:
        url = f"http://{container.get_container_host_ip()}:{container.get_exposed_port(5000)}"

        def answers() -> bool:
            try:
                return requests.get(f"{url}/minio/health/live", timeout=5).ok
            except requests.ConnectionError:
                return False

        until(answers, 30, "the S3 server does not answer")
        yield url


@pytest.fixture(scope="session")
def named_s3() -> str:
    """URL of the server that IMGHOST_TEST_S3_ENDPOINT_URL names."""
    return ENDPOINT_URL


@pytest.fixture(scope="module")
def s3_endpoint(request: pytest.FixtureRequest) -> str:
    """URL of an S3 server: the one whose fixture a parameter names, else moto."""
    url: str = request.getfixturevalue(getattr(request, "param", "moto_s3"))
    return url


def s3_client(url: str) -> "S3Client":
    """Return a client of the server at `url` that may do everything."""
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name=os.environ.get("IMGHOST_TEST_S3_REGION", "us-east-1"),
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=SECRET_ACCESS_KEY,
    )


@pytest.fixture
def s3(s3_endpoint: str) -> Iterator["S3Client"]:
    """A client of the S3 server, on which `BUCKET` exists and is empty."""
    client = s3_client(s3_endpoint)
    found = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
    if BUCKET in found:
        assert not client.list_objects_v2(Bucket=BUCKET).get("Contents"), f"the bucket {BUCKET} is not empty"
    else:
        client.create_bucket(Bucket=BUCKET)
    yield client
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for left in page.get("Contents", []):
            client.delete_object(Bucket=BUCKET, Key=left["Key"])
    if BUCKET not in found:
        client.delete_bucket(Bucket=BUCKET)


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve HTTP with `handler`; yield the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()  # otherwise a failed test leaves a thread, and the session never ends
