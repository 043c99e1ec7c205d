"""Images from registration to ready on one machine: S3, broker, both databases, catalog, a worker with two children."""

import base64
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import boto3
import requests

ROOT = Path(__file__).parents[1]
PORTS = {"PORT": "18680", "S3_PORT": "15680", "AMQP_PORT": "15690"}
START_S = 120


def pictures_a_second(data: bytes, pictures: int) -> float:
    """Put `data` into S3 for `pictures` images, register them, and return how many become ready per second."""
    with _stack() as stack:
        s3 = boto3.client(
            "s3",
            endpoint_url=stack["S3_ENDPOINT_URL"],
            region_name=stack["AWS_DEFAULT_REGION"],
            aws_access_key_id=stack["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=stack["AWS_SECRET_ACCESS_KEY"],
        )
        keys = [f"benchmark/{number}.jpg" for number in range(pictures)]
        for key in keys:
            s3.put_object(Bucket=stack["S3_BUCKET"], Key=key, Body=data)
        with requests.Session() as session:
            credentials = f"{stack['IMGHOST_USERNAME']}:{stack['IMGHOST_PASSWORD']}".encode()
            session.headers["Authorization"] = f"Basic {base64.b64encode(credentials).decode()}"
            images = f"{stack['GATEWAY_URL']}/api/images"
            began = time.perf_counter()
            for key in keys:
                session.post(images, json={"s3_key": key}, timeout=30).raise_for_status()
            while any(image["status"] != "ready" for image in session.get(images, timeout=30).json()):
                time.sleep(0.1)
            return pictures / (time.perf_counter() - began)


@contextmanager
def _stack() -> Iterator[Mapping[str, str]]:
    """Run everything as plain processes; yield the settings in run.env."""
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, **PORTS, "IMGHOST_HOME": home, "PYTHONPATH": str(ROOT / "embedded" / "src")}
        command = [sys.executable, "-m", "embedded", "--no-sample"]
        run = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + START_S
            settings = Path(home) / "run.env"
            while not settings.exists():
                if run.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("the stack does not start; `make run` says why")
                time.sleep(0.1)
            words = shlex.split(settings.read_text())
            yield {name: value for name, _, value in (word.partition("=") for word in words)}
        finally:
            run.send_signal(signal.SIGTERM)
            run.wait()
